tenants-settings-title = Datos de la empresa
tenants-name = Nombre de la empresa
tenants-name-wrong = Escriba un nombre de 1 a 200 caracteres.
tenants-language = Idioma de los correos
tenants-settings-hint = Los correos a los miembros que han elegido su propio idioma o zona horaria siguen esa elección.
tenants-save = Guardar
tenants-saved = Los datos se han guardado.
