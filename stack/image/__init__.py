"""What runs inside the containers of docker-compose.airflow.yml, and nowhere else."""
