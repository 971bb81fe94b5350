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
