tenants-email = debe ser una dirección de correo
tenants-time-zone = debe ser una zona horaria de la base IANA, como Europe/Madrid
tenants-no-owner = uno de los miembros debe ser propietario
tenants-member-twice = cada miembro debe aparecer una sola vez
