"""What operators watch: dashboards, data sources and annotations for Grafana."""
