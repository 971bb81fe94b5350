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

auth-account-title = Your account
auth-name = Name
auth-companies = Companies
auth-sessions-title = Where you are signed in
auth-sessions-text = If you do not know one of these, end it.
auth-sessions-caption = Your sessions, the last used first
auth-session-device = Device
auth-session-address = Address
auth-session-since = Signed in
auth-session-seen = Last used
auth-session-on = { $browser } on { $system }
auth-session-unknown = Unknown device
auth-session-current = This device
auth-session-end = End
auth-sessions-end-others = End all other sessions
auth-session-ended = The session has been ended.
auth-sessions-ended = All other sessions have been ended.
