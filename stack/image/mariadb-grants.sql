-- What reading the binlog needs, beside the database itself.
GRANT REPLICATION SLAVE, REPLICATION CLIENT, BINLOG MONITOR, RELOAD ON *.* TO spillway@'%';
