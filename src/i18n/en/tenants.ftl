tenants-email = must be an e-mail address
tenants-time-zone = must be a time zone of the IANA database, such as Europe/Madrid
tenants-no-owner = one of the members must be an owner
tenants-member-twice = each member must be named once
