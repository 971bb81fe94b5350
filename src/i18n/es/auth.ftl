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
