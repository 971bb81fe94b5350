auth-sign-in-title = Iniciar sesión
auth-sign-in = Iniciar sesión
auth-email = Correo electrónico
auth-password = Contraseña
auth-wrong = El correo electrónico o la contraseña no son correctos.
auth-too-often = { $minutes ->
    [one] Demasiados intentos. Espere un minuto antes del siguiente.
   *[other] Demasiados intentos. Espere { $minutes } minutos antes del siguiente.
}
auth-signed-out = Ha cerrado la sesión.

auth-role-owner = Propietario
auth-role-admin = Administrador
auth-role-supervisor = Supervisor
auth-role-operator = Operador

auth-account-title = Su cuenta
auth-name = Nombre
auth-companies = Empresas
auth-sessions-title = Dónde ha iniciado sesión
auth-sessions-text = Si no reconoce alguna de estas sesiones, ciérrela.
auth-sessions-caption = Sus sesiones, la última usada primero
auth-session-device = Dispositivo
auth-session-address = Dirección
auth-session-since = Inicio de sesión
auth-session-seen = Último uso
auth-session-on = { $browser } en { $system }
auth-session-unknown = Dispositivo desconocido
auth-session-current = Este dispositivo
auth-session-end = Cerrar
auth-sessions-end-others = Cerrar todas las demás sesiones
auth-session-ended = La sesión se ha cerrado.
auth-sessions-ended = Todas las demás sesiones se han cerrado.

auth-company = Empresa
auth-new-password = Contraseña nueva
auth-old-password = Contraseña actual
auth-password-hint = Al menos 8 caracteres; mejor 15 o más. Unas cuantas palabras seguidas se recuerdan bien y cuesta adivinarlas.
auth-password-short = La contraseña debe tener al menos 8 caracteres.
auth-password-long = La contraseña puede tener como máximo 128 caracteres.
auth-password-common = Esta contraseña es de las primeras que probaría un extraño. Elija otra.
auth-email-malformed = Escriba un correo electrónico como nombre@example.com.
auth-forgot = ¿Ha olvidado la contraseña?
auth-ask-link-offer = Entrar con un enlace por correo
auth-ask-link-title = Entrar por correo
auth-ask-link-text = Le enviamos un enlace con el que iniciará sesión, una sola vez y en los próximos 10 minutos.
auth-ask-link = Enviarme un enlace
auth-ask-reset-title = Elegir una contraseña nueva
auth-ask-reset-text = Le enviamos un enlace para elegir una contraseña nueva. Funciona una sola vez y durante 10 minutos.
auth-ask-reset = Enviarme un enlace
auth-link-sent = Si esta dirección tiene una cuenta aquí, ya hay un correo con un enlace en camino. El enlace funciona una sola vez y durante 10 minutos.
auth-link-over = Este enlace ya se ha usado, ha caducado o nunca existió. Pida uno nuevo donde lo obtuvo.
auth-link-to-sign-in = Ir a iniciar sesión
auth-link-other = En este navegador ha iniciado sesión { $email }. Si continúa, esa sesión se cerrará.
auth-link-confirm = Iniciar sesión
auth-link-once = Este enlace funciona una sola vez y caduca pronto. Si no lo ha pedido, cierre esta página: no ocurrirá nada.
auth-reset-title = Elegir una contraseña nueva
auth-reset-text = Al guardarla se cerrarán todas sus sesiones; después inicie sesión con la contraseña nueva.
auth-reset-save = Guardar la contraseña
auth-password-reset = Su contraseña ha cambiado. Inicie sesión con la nueva.
auth-change-title = Cambiar la contraseña
auth-change-text = Con el cambio se cierran todas sus demás sesiones; esta continúa.
auth-old-wrong = Esta no es su contraseña actual.
auth-password-changed = Su contraseña ha cambiado. Todas las demás sesiones se han cerrado.
auth-no-password = Todavía no tiene contraseña: entra con enlaces. Para elegir una, pida que le enviemos un enlace a su dirección.
auth-back-to-account = Volver a su cuenta

auth-profile-title = Perfil
auth-profile-save = Guardar
auth-described = Su perfil se ha guardado.
auth-name-wrong = Escriba un nombre de 1 a 200 caracteres.
auth-time-zone = Zona horaria
auth-time-zone-company = La de la empresa
auth-language-browser = El del navegador
auth-zone-wrong = Elija una de las zonas horarias ofrecidas.

auth-email-or-user = Indique la persona con email o con user_id, con uno de los dos.
auth-user-malformed = El identificador de un usuario tiene hasta 64 letras, cifras, _ y -.
auth-link-no-user = No existe ese usuario. Con un correo electrónico y un rol se crea.
auth-link-no-member = El usuario no es miembro de esta empresa. Con un rol pasa a serlo.
