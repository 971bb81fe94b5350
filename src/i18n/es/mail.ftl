mail-greeting = Hola, { $name }:
mail-greeting-plain = Hola:
mail-about = Este correo trata de la facturación de { $tenant }.
mail-support = ¿Preguntas? Escribe a { $email }.
mail-invoice = Factura
mail-amount = Importe
mail-paid = Pagado
mail-price = Precio
mail-of = { $used } de { $limit }
mail-resets-at = Vuelve a empezar de cero
mail-failed-at = Falló por primera vez
mail-restricts-at = El acceso pasa a solo lectura
mail-cancels-at = La suscripción termina
mail-plan-before = Plan hasta ahora
mail-plan-now = Plan
mail-open-portal = Abrir el portal de facturación
mail-see-invoice = Ver la factura
mail-see-plans = Ver los planes
mail-see-usage = Ver el consumo
mail-add-method = Añadir un método de pago
mail-pay = Pagar ahora
mail-paid-meanwhile = Si entretanto ya has pagado, no queda nada por hacer.
mail-link-until = El enlace funciona una vez, hasta el { $date }.
mail-not-you = Si no esperabas este correo, puedes ignorarlo: sin el enlace no ocurre nada.
mail-not-you-plan = Si no has sido tú, por favor avísanos.

mail-receipt-subject = Recibo: { $amount } pagados
mail-receipt-text = Gracias. Tu pago de { $amount } llegó el { $date }.

mail-failed-subject = Tu pago de { $amount } no se ha podido cobrar
mail-failed-text = No hemos podido cobrar { $amount }. Lo más habitual es que una tarjeta haya caducado o se haya alcanzado un límite. El cobro se vuelve a intentar solo; con otro método de pago queda resuelto al momento.
mail-failed-next = Si sigue faltando el { $restricts }, el acceso pasa a solo lectura; el { $cancels } termina la suscripción.
mail-urgent-subject = Sigue pendiente: { $amount }
mail-urgent-text = { $amount } siguen pendientes. Por favor, revisa tu método de pago para que nada deje de funcionar.
mail-final-subject = Último aviso: tu suscripción termina el { $cancels }
mail-final-text = { $amount } siguen pendientes y este es nuestro último correo al respecto. Sin el pago, tu suscripción termina el { $cancels }. Si pagas antes de ese día, todo vuelve a funcionar.
mail-restricted-subject = El acceso es de solo lectura hasta que se paguen { $amount }
mail-restricted-text = { $amount } llevan demasiado tiempo pendientes: desde hoy se puede ver todo, pero no cambiar nada.
mail-restricted-next = Al pagar, la restricción se levanta al momento. Sin el pago, la suscripción termina el { $cancels }.
mail-restored-subject = Gracias: vuelves a tener acceso completo
mail-restored-text = Tu pago de { $amount } ha llegado. La restricción se ha levantado y todo funciona como antes.
mail-settled-subject = Gracias: tu pago ha llegado
mail-settled-text = Tu pago de { $amount } ha llegado. No se restringió nada y no queda nada por hacer.

mail-upcoming-subject = Tu próxima factura: { $amount } el { $date }
mail-upcoming-text = El { $date } cobraremos { $amount } con tu método de pago registrado.

mail-trial-subject = Tu prueba de { $plan } termina el { $date }
mail-trial-text = Tu prueba de { $plan } termina el { $date }.
mail-trial-charged = A partir de entonces cuesta { $price }, que se cobran con tu método de pago registrado. Si prefieres dejarlo, cancela antes de ese día.
mail-trial-goes-on = A partir de entonces se cobra con tu método de pago registrado. Si prefieres dejarlo, cancela antes de ese día.
mail-trial-needs-method = Para continuar, añade un método de pago antes de ese día.

mail-changed-subject = Tu suscripción ha cambiado: { $plan }
mail-changed-text = Desde el { $date } tu suscripción es { $plan }.

mail-ending-subject = Tu suscripción termina el { $date }
mail-ending-text = { $plan } está cancelada y termina el { $date }. Hasta entonces todo funciona como antes y puedes anular la cancelación.
mail-ended-subject = Tu suscripción ha terminado
mail-ended-text = { $plan } terminó el { $date }. Tus datos y tus facturas se conservan; puedes volver a suscribirte cuando quieras.
mail-ended-unpaid-text = { $plan } terminó el { $date } porque el pago no llegó. Tus datos y tus facturas se conservan; puedes volver a suscribirte cuando quieras.

mail-usage-subject = { $percent } consumido: { $metric }
mail-usage-text = { $metric }: consumidos { $used } de { $limit }.
mail-usage-soon = Por encima del límite sigue funcionando y queda registrado.
mail-usage-soon-refused = Al llegar al límite se rechaza lo demás. Con un plan mayor hay más margen.
mail-usage-passed = El límite se ha superado; sigue funcionando y queda registrado.
mail-usage-refused = Se ha alcanzado el límite: se rechaza lo demás. Con un plan mayor hay más margen.

mail-invitation-subject = { $inviter } te invita a { $tenant }
mail-invitation-text = { $inviter } te invita a ocuparte de la facturación de { $tenant } con el rol de { $role }.
mail-invitation-button = Aceptar la invitación
mail-reset-subject = Elige una contraseña nueva
mail-reset-text = Alguien, seguramente tú, ha pedido una contraseña nueva.
mail-reset-button = Elegir una contraseña nueva
mail-sign-in-subject = Tu enlace para entrar
mail-sign-in-text = Con este enlace entras en el portal de facturación.
mail-sign-in-button = Entrar

mail-kind-receipt = Recibo
mail-kind-payment-failed = Pago fallido: recordatorio
mail-kind-payment-urgent = Pago fallido: urgente
mail-kind-payment-final = Pago fallido: último aviso
mail-kind-access-restricted = Acceso restringido
mail-kind-access-restored = Acceso restablecido
mail-kind-upcoming-invoice = Próxima factura
mail-kind-trial-ending = Fin de la prueba
mail-kind-plan-changed = Cambio de plan
mail-kind-cancelled = Cancelación
mail-kind-usage-threshold = Umbral de consumo
mail-kind-invitation = Invitación
mail-kind-password-reset = Contraseña nueva
mail-kind-sign-in-link = Enlace para entrar

mail-state-waiting = En espera
mail-state-sending = En camino
mail-state-sent = Enviado
mail-state-kept = Guardado, sin enviar
mail-state-failed = Fallido

mail-list-title = Correos
mail-list-caption = Correos, los más recientes primero
mail-list-lead = Cada correo sale una sola vez por aquello que lo causa. Sin servidor de correo se guardan aquí.
mail-list-kind = Tipo
mail-list-state = Estado
mail-list-all = Todos
mail-list-apply = Filtrar
mail-list-to = Para
mail-list-when = Cuándo
mail-list-tries = Intentos
mail-list-empty-title = Aquí no hay correos
mail-list-empty-text = Aparecen cuando ocurre algo de lo que alguien debe enterarse.
mail-list-older = Anteriores
mail-list-newest = Más recientes
mail-list-samples = Cómo se ve cada tipo
mail-no-server = No hay servidor de correo: los correos se guardan y no se envían. Configura SMTP_URL y MAIL_FROM para enviarlos.

mail-show-title = Volver al correo
mail-show-to = Para
mail-show-cause = Causado por
mail-show-created = Preparado
mail-show-sent = Enviado
mail-show-error = Qué ha fallado
mail-show-text = Como texto
mail-show-html = Verlo como HTML
mail-show-resend = Enviarlo otra vez
mail-show-back = Todos los correos
mail-show-unreadable = Este correo no se puede mostrar: en su fila no está lo que se espera.
mail-resent = El correo sale otra vez.
mail-not-resendable = Su enlace era de un solo uso y se ha borrado: pide uno nuevo donde se originó.
mail-still-waiting = Ya está en camino.

