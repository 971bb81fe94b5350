alarm-webhooks-silent = Stripe tiene eventos que no ha entregado.
alarm-webhooks-silent-remedy = Mientras tanto se traen cada diez minutos. Mira en el panel de Stripe (Desarrolladores, Webhooks) qué respuesta tuvieron sus entregas y ejecuta billing-portal doctor.
alarm-webhooks-disabled = Stripe ha desactivado el punto de recepción de webhooks.
alarm-webhooks-disabled-remedy = Ejecuta otra vez billing-portal setup o actívalo en el panel de Stripe, en Desarrolladores, Webhooks. Mientras tanto los eventos que faltan se traen cada diez minutos.
alarm-webhooks-missing = El punto de recepción de webhooks ya no existe en Stripe.
alarm-webhooks-missing-remedy = Ejecuta otra vez billing-portal setup: crea uno nuevo y guarda su secreto de firma.
alarm-look = Ver los eventos
