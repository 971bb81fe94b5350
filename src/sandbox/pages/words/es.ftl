# El marco
skip = Saltar al contenido
sandbox = ENTORNO DE PRUEBAS
no-real-money = Aquí no se mueve dinero real ni se acepta ninguna tarjeta real.
footer = Estas páginas las sirve el entorno de pruebas de este equipo, en lugar de las páginas alojadas de Stripe.
error-title = Error:{" "}
problems = Revisa lo siguiente
date = { $day } de { $month } de { $year }
date-range = { $from } – { $to }
month-1 = enero
month-2 = febrero
month-3 = marzo
month-4 = abril
month-5 = mayo
month-6 = junio
month-7 = julio
month-8 = agosto
month-9 = septiembre
month-10 = octubre
month-11 = noviembre
month-12 = diciembre
every-day = { $count ->
    [one] al día
   *[other] cada { $count } días
}
every-week = { $count ->
    [one] a la semana
   *[other] cada { $count } semanas
}
every-month = { $count ->
    [one] al mes
   *[other] cada { $count } meses
}
every-year = { $count ->
    [one] al año
   *[other] cada { $count } años
}
index-title = Entorno de pruebas de Stripe
index-what = Este servidor habla la API HTTP de Stripe para demostraciones y pruebas: objetos, webhooks, Checkout, portal de clientes y facturas.
index-how = Dirige cualquier cliente de Stripe a la dirección de abajo con una clave que empiece por sk_test_. Las claves reales se rechazan.
index-base = Dirección base de la API
index-version = Versión de la API
not-found-title = Esta página no está aquí
not-found = La dirección es incorrecta o pertenece a un entorno de pruebas que se ha reiniciado: al detenerse lo olvida todo.

# Tarjetas
card = Tarjeta
type-card = Una tarjeta escrita aquí
card-number = Número de tarjeta
card-expiry = Caducidad (MM / AA)
card-cvc = Código de seguridad (CVC)
card-holder = Nombre en la tarjeta
card-name = { $brand } terminada en { $last4 }
card-expires = { $card }, caduca en { $month }/{ $year }
test-cards = Tarjetas de prueba
test-cards-hint = No hay nada que escribir: elige qué debe hacer la tarjeta.
test-card-4242424242424242 = paga (Visa)
test-card-5555555555554444 = paga (Mastercard)
test-card-4000002500003155 = pide autenticación
test-card-4000000000000002 = es rechazada
test-card-4000000000009995 = no tiene fondos suficientes
test-card-4000000000009987 = consta como perdida
test-card-4000000000000069 = está caducada
test-card-4000000000000127 = tiene mal el código de seguridad
test-card-4000000000000259 = paga y después se disputa
test-card-4000000000000341 = se acepta y después falla al cobrar
card-number-missing = Escribe un número de tarjeta o elige una tarjeta de prueba.
card-number-wrong = Este número de tarjeta no es válido. Revisa sus cifras.
card-not-a-test-card = Aquí solo funcionan las tarjetas de prueba. No escribas nunca una tarjeta real.
card-expiry-wrong = Escribe la caducidad como mes y año, por ejemplo 04 / 30.
card-expired = La fecha de caducidad de esta tarjeta ya ha pasado.
card-cvc-wrong = Escribe las tres o cuatro cifras del código de seguridad.

# Datos de quien paga
email = Correo electrónico
email-wrong = Escribe un correo electrónico, por ejemplo nombre@example.com.
country = País
choose-country = Elige un país
country-missing = Elige tu país.
company-or-name = Empresa o nombre completo
name-missing = Escribe un nombre.
street = Calle y número
street-missing = Escribe la calle y el número.
postcode = Código postal
postcode-missing = Escribe el código postal.
city = Ciudad
city-missing = Escribe la ciudad.
billing-address = Dirección de facturación
tax-id-optional = Identificación fiscal (opcional, por ejemplo ESA1234567Z)
tax-id-wrong = No es la identificación fiscal de una empresa del país elegido.
your-details = Datos del pago

# Checkout
checkout-title = Pagar a { $seller }
subscribe-to = Suscríbete a { $name }
try = Prueba { $name }
pay-seller = Pagar a { $seller }
back-to = ← Volver a { $seller }
days-free = { $count ->
    [one] 1 día gratis
   *[other] { $count } días gratis
}
then-from = Después, { $amount } desde el { $date }
then-amount = Después, { $amount }
due-today-note = a pagar hoy
quantity = Cantidad: { $quantity }, { $unit } cada una
metered = Se cobra según el uso al final del período
free-trial-line = { $count ->
    [one] Prueba gratuita de 1 día
   *[other] Prueba gratuita de { $count } días
}
per-unit = { $unit } { $every }
promotion-code = Código promocional
apply = Aplicar
remove = Quitar
promotion-unknown = Este código no es válido.
promotion-missing = Escribe un código promocional.
percent-off = { $percent } % de descuento
amount-off = { $amount } de descuento
discount-once = { $off }, una vez
discount-repeating = { $count ->
    [one] { $off } durante un mes
   *[other] { $off } durante { $count } meses
}
discount-forever = { $off }, siempre
subtotal = Subtotal
discount = Descuento
tax = Impuestos
tax-of = { $name } ({ $percent } %)
tax-included = { $name } ({ $percent } %, incluido)
total-due-today = Total a pagar hoy
tax-by-address = Los impuestos dependen de tu dirección. Si cambia el total, verás el nuevo total antes de pagar.
total-changed = Con tu dirección el total es ahora { $amount }. Aún no se ha cobrado nada: confírmalo, por favor.
start-trial = Empezar la prueba
subscribe = Suscribirse
pay-amount = Pagar { $amount }
terms-subscription = Al confirmar permites que { $seller } cobre en esta tarjeta ahora y en cada renovación, hasta que canceles.
terms-payment = El pago se hace a { $seller } en este entorno de pruebas.
session-complete-title = Este pago ya está hecho
session-complete = No queda nada por hacer aquí. Puedes volver a { $seller }.
session-expired-title = Esta página ha caducado
session-expired = La página de pago ya no es válida y no se ha cobrado nada. Empieza de nuevo desde { $seller }.
return-to = Volver a { $seller }
payment-was-declined = { $reason } No se ha cobrado nada. Prueba con otra tarjeta.

# Autenticación
authentication-title = Confirma que eres tú
authentication-message = El banco que emitió esta tarjeta quiere saber si el pago es tuyo. Esta es la página del banco en el entorno de pruebas: elige cómo termina.
authentication-setup-message = El banco que emitió esta tarjeta quiere saber si aceptas guardarla. Esta es la página del banco en el entorno de pruebas: elige cómo termina.
authentication-complete = Completar la autenticación
authentication-fail = Hacer fallar la autenticación
authentication-failed = La autenticación ha fallado y no se ha cobrado nada. Inténtalo de nuevo o usa otra tarjeta.
authentication-over = Esta autenticación ya no está abierta. Empieza el pago de nuevo.
test-bank = Banco de prueba
seller = Vendedor
amount = Importe

# Facturas
invoice-title = Factura
invoice-number = Número de factura
invoice-issued = Fecha de emisión
invoice-due = Fecha de vencimiento
invoice-paid-on = Fecha de pago
invoice-from = De
invoice-to = Facturar a
invoice-draft-number = Borrador
invoice-lines = Líneas de la factura
invoice-status-draft = Borrador
invoice-status-open = Pendiente
invoice-status-paid = Pagada
invoice-status-void = Anulada
invoice-status-uncollectible = Incobrable
invoice-due-headline = { $amount } con vencimiento el { $date }
invoice-due-now-headline = { $amount } a pagar ahora
invoice-paid-headline = { $amount } pagados el { $date }
invoice-void-headline = Esta factura se anuló: no se debe nada
invoice-uncollectible-headline = { $amount } dados por incobrables
invoice-draft-headline = Esta factura es un borrador y aún puede cambiar
heading-description = Descripción
heading-quantity = Cant.
heading-unit = Precio unitario
heading-amount = Importe
total = Total
starting-balance = Saldo aplicado
amount-paid = Importe pagado
amount-due = Importe pendiente
refunded-on = Reembolsados { $amount } el { $date }
disputed-on = Disputada por el titular de la tarjeta: { $amount } el { $date } ({ $reason })
reason-fraudulent = fraude
reason-general = general
reason-duplicate = duplicado
reason-product_not_received = producto no recibido
download-pdf = Descargar PDF
pay-invoice = Pagar esta factura
invoice-just-paid = Gracias: la factura está pagada.
invoice-not-payable = Esta factura ya no se puede pagar.
tax-id-line = Identificación fiscal { $value }
sandbox-footer = Factura de prueba. No se ha movido dinero real.
page-of = Página %n de %m

# Portal de clientes
portal-title = Facturación de { $customer }
portal-unnamed = tu cuenta
portal-of = { $seller }: portal de clientes
subscriptions = Suscripciones
no-subscriptions = No hay ninguna suscripción.
subscription-status-active = Activa
subscription-status-trialing = Prueba
subscription-status-past_due = Con pago vencido
subscription-status-unpaid = Impagada
subscription-status-canceled = Cancelada
subscription-status-incomplete = Incompleta
subscription-status-incomplete_expired = Caducada
subscription-status-paused = En pausa
renews-on = Se renueva el { $date }
ends-on = Termina el { $date }
trial-ends-on = La prueba termina el { $date }
changes-on = Cambia a { $plan } el { $date }
update-plan = Cambiar de plan
cancel-plan = Cancelar la suscripción
keep-plan = No cancelar
kept = La suscripción continúa.
payment-methods = Métodos de pago
no-payment-methods = No hay ningún método de pago.
default = Predeterminado
make-default = Usar por defecto
made-default = La tarjeta se usará por defecto.
removed-card = La tarjeta se ha quitado.
add-card = Añadir un método de pago
add-card-title = Añadir un método de pago
save-card = Guardar la tarjeta
save-card-terms = La tarjeta se usará por defecto en los próximos pagos a { $seller }.
card-added = La tarjeta se ha añadido.
make-default-of = Usar { $card } por defecto
remove-of = Quitar { $card }
billing-information = Datos de facturación
edit-billing = Editar los datos de facturación
billing-updated = Los datos de facturación se han actualizado.
name = Nombre
phone = Teléfono
address = Dirección
tax-ids = Identificaciones fiscales
none-given = sin indicar
save = Guardar
go-back = Volver
invoices = Historial de facturas
no-invoices = Aún no hay ninguna factura.
invoice-date = Fecha
invoice-status = Estado
invoice-view = Ver la factura { $number }
cancel-title = Cancelar { $plan }
cancel-at-end = La suscripción sigue igual hasta el { $date } y no se renueva.
cancel-now = La suscripción termina de inmediato.
cancel-why = ¿Por qué te vas? (opcional)
cancel-comment = ¿Algo más? (opcional)
cancel-confirm = Cancelar la suscripción
canceled-at-end = La suscripción ya no se renueva.
canceled-now = La suscripción ha terminado.
reason-customer_service = La atención al cliente fue peor de lo esperado
reason-low_quality = La calidad fue peor de lo esperado
reason-missing_features = Faltan funciones
reason-other = Otro motivo
reason-switched_service = Me paso a otro servicio
reason-too_complex = Fue más difícil de usar de lo esperado
reason-too_expensive = Es demasiado caro
reason-unused = No uso bastante el servicio
reason-none = Sin respuesta
update-title = Cambia de plan
update-current = Plan actual
update-choose = Elige un plan
update-quantity = Cantidad
update-continue = Continuar
update-nothing = No hay otro plan que elegir.
update-same = Es lo que ya tienes: elige otro plan u otra cantidad.
update-quantity-wrong = Escribe un número entero de 1 a 999.999.
confirm-title = Confirma el cambio
confirm-from = De
confirm-to = A
confirm-takes-effect = Entra en vigor
confirm-now = ahora
confirm-amount-now = A pagar ahora
confirm-button = Confirmar
confirm-no-charge = Ahora no se cobra nada.
updated-now = El plan se ha cambiado.
updated-later = El cambio está programado.
flow-done-title = Listo
flow-done = Tu cambio se ha guardado.
decline-card_declined = Tu tarjeta ha sido rechazada.
decline-insufficient_funds = Tu tarjeta no tiene fondos suficientes.
decline-expired_card = Tu tarjeta ha caducado.
decline-incorrect_cvc = El código de seguridad de tu tarjeta es incorrecto.
decline-incorrect_number = El número de tu tarjeta es incorrecto.
decline-processing_error = Se ha producido un error al procesar tu tarjeta. Inténtalo de nuevo en un momento.
not-allowed = El vendedor no lo ofrece aquí.

# Países
country-AR = Argentina
country-AU = Australia
country-AT = Austria
country-BE = Bélgica
country-BR = Brasil
country-CA = Canadá
country-CL = Chile
country-CO = Colombia
country-CZ = Chequia
country-DK = Dinamarca
country-FI = Finlandia
country-FR = Francia
country-DE = Alemania
country-GR = Grecia
country-HU = Hungría
country-IE = Irlanda
country-IT = Italia
country-JP = Japón
country-LU = Luxemburgo
country-MX = México
country-NL = Países Bajos
country-NZ = Nueva Zelanda
country-NO = Noruega
country-PE = Perú
country-PL = Polonia
country-PT = Portugal
country-SG = Singapur
country-ES = España
country-SE = Suecia
country-CH = Suiza
country-GB = Reino Unido
country-US = Estados Unidos
country-UY = Uruguay
