auth-sign-in-title = Sign in
auth-sign-in = Sign in
auth-email = E-mail address
auth-password = Password
auth-wrong = The e-mail address or the password is not right.
auth-too-often = { $minutes ->
    [one] Too many tries. Please wait a minute before the next one.
   *[other] Too many tries. Please wait { $minutes } minutes before the next one.
}
auth-signed-out = You are signed out.

auth-role-owner = Owner
auth-role-admin = Admin
auth-role-supervisor = Supervisor
auth-role-operator = Operator
