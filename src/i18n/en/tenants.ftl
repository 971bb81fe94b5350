tenants-settings-title = Company settings
tenants-name = Name of the company
tenants-name-wrong = Enter a name of 1 to 200 characters.
tenants-language = Language of mails
tenants-settings-hint = Mails to members who have chosen a language or a time zone of their own keep to that.
tenants-save = Save
tenants-saved = The settings have been saved.
