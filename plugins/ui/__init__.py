"""What is added to Airflow's pages."""
