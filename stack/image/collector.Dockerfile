# A host that records measurement reports: sshd, whose one key may talk to the collector gate and do nothing else.
FROM debian:12.11-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends openssh-server python3 rsync \
 && rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_* \
 && useradd --create-home --password '*' --shell /bin/sh collector \
 && install -d -o collector -g collector /data && mkdir -p /keys /run/sshd
COPY include/measurements/collect/collector_gate /usr/local/bin/collector_gate
COPY stack/image/collector-start.sh /usr/local/bin/collector-start
RUN chmod 0755 /usr/local/bin/collector_gate /usr/local/bin/collector-start
CMD ["collector-start"]
