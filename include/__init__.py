"""Features: plain Python, one package each, no Airflow."""
