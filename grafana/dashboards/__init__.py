"""
The dashboards are drawn here, from the registry of a city, and committed as JSON: nothing of this is needed where they are shown.

The library that draws is a tool of development. It warns that a newer form of dashboards exists; every Grafana that we know reads this one.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import grafana_foundation_sdk.builders.dashboard
    import grafana_foundation_sdk.models.dashboardv2beta1  # noqa: F401 - both warn when they are first imported
