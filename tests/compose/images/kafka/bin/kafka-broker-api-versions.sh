#!/bin/bash
exec java -Xmx256M -cp '/opt/kafka/lib/*' -Dlog4j2.configurationFile=/opt/kafka/bin/log4j2.properties \
  org.apache.kafka.tools.BrokerApiVersionsCommand "$@"
