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

auth-company = Company
auth-new-password = New password
auth-old-password = Present password
auth-password-hint = At least 8 characters; 15 or more are better. A few words in a row are easy to remember and hard to guess.
auth-password-short = A password has at least 8 characters.
auth-password-long = A password has at most 128 characters.
auth-password-common = This password is among the first that strangers try. Please choose another.
auth-email-malformed = Enter an e-mail address such as name@example.com.
auth-forgot = Forgot the password?
auth-ask-link-offer = Sign in by a link in a mail instead
auth-ask-link-title = Sign in by mail
auth-ask-link-text = We send you a link that signs you in, once and within 10 minutes.
auth-ask-link = Send me a link
auth-ask-reset-title = Choose a new password
auth-ask-reset-text = We send you a link to choose a new password. It works once, within 10 minutes.
auth-ask-reset = Send me a link
auth-link-sent = If this address has an account here, a mail with a link is on its way. The link works once, within 10 minutes.
auth-link-over = This link has been used, has expired, or never was one. Ask for a new one where it came from.
auth-link-to-sign-in = To sign-in
auth-link-other = In this browser { $email } is signed in. Going on ends that session.
auth-link-confirm = Sign in
auth-link-once = This link works once and expires soon. If you did not ask for it, close this page: nothing happens.
auth-reset-title = Choose a new password
auth-reset-text = When it is saved, you are signed out everywhere and sign in with the new password.
auth-reset-save = Save the password
auth-password-reset = Your password has been changed. Sign in with the new one.
auth-change-title = Change the password
auth-change-text = All your other sessions end with the change; this one stays.
auth-old-wrong = This is not your present password.
auth-password-changed = Your password has been changed. All other sessions have been ended.
auth-no-password = You have no password yet: you sign in by link. To choose one, have a link sent to your address.
auth-back-to-account = Back to your account

auth-profile-title = Profile
auth-profile-save = Save
auth-described = Your profile has been saved.
auth-name-wrong = Enter a name of 1 to 200 characters.
auth-time-zone = Time zone
auth-time-zone-company = As the company
auth-language-browser = As the browser
auth-zone-wrong = Choose one of the time zones offered.

auth-email-or-user = Name the person by email or by user_id, by one of the two.
auth-user-malformed = The id of a user is up to 64 letters, digits, _ and -.
auth-link-no-user = There is no such user. With an email address and a role one is made.
auth-link-no-member = The user is no member of this tenant. With a role they become one.
