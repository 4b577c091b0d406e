"""`API_COMPATIBILITY=mission-control`: the clients of that backend are answered as its OpenAPI document says.

The application is the same; this package surrounds it, and is not there without the setting:

    plugin.py       hooks the rest into the application
    requests.py     leaves out fields and parameters that only the gateway runtime knows
    answers.py      200 for 201 and 204, and the bodies of that backend, streams included
    fields.py       the fields that its bodies have and ours do not; the places at which a shape stands in an answer
    problems.py     `detail` of errors
    gateways.py     the one built-in gateway, and the operations that need a real one
    document.py     the OpenAPI document that is then true

`migrations/docs/coming-from-mission-control.md` has what stays different.
"""
