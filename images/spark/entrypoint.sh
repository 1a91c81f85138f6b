#!/bin/bash
# What Spark on Kubernetes asks of an image: `driver …` and `executor`; any other command is run as it is.
set -euo pipefail

# Java trusts the certificates of SARAN_CA_FILE (PEM, one or many) beside its own.
if [[ -n "${SARAN_CA_FILE:-}" ]]; then
    store=${TMPDIR:-/tmp}/saran-truststore
    cp "$JAVA_HOME/lib/security/cacerts" "$store"
    chmod u+w "$store"
    awk -v into="$store" '/-----BEGIN CERTIFICATE-----/ {n++} n {print > (into "." n ".pem")}' "$SARAN_CA_FILE"
    for certificate in "$store".*.pem; do
        keytool -importcert -noprompt -keystore "$store" -storepass changeit -alias "$(basename "$certificate")" \
            -file "$certificate" 2> /dev/null
    done
    export JAVA_TOOL_OPTIONS="${JAVA_TOOL_OPTIONS:-} -Djavax.net.ssl.trustStore=$store"
fi

classpath=${SPARK_CONF_DIR:+$SPARK_CONF_DIR:}$SPARK_JARS/*:$SPARK_HOME/jars/*${SPARK_EXTRA_CLASSPATH:+:$SPARK_EXTRA_CLASSPATH}

case ${1:-} in
    driver)
        shift
        exec "$SPARK_HOME/bin/spark-submit" \
            --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
            --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" \
            --driver-class-path "$SPARK_JARS/*" \
            --deploy-mode client "$@"
        ;;
    executor)
        # SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1, … in their order.
        options=()
        while IFS= read -r name; do options+=("${!name}"); done < <(compgen -A variable SPARK_JAVA_OPT_ | sort -V)
        exec "$JAVA_HOME/bin/java" ${options[@]+"${options[@]}"} \
            "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" -cp "$classpath" \
            org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
            --driver-url "$SPARK_DRIVER_URL" \
            --executor-id "$SPARK_EXECUTOR_ID" \
            --cores "$SPARK_EXECUTOR_CORES" \
            --app-id "$SPARK_APPLICATION_ID" \
            --hostname "$SPARK_EXECUTOR_POD_IP" \
            --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" \
            --podName "$SPARK_EXECUTOR_POD_NAME"
        ;;
    *)
        exec "$@"
        ;;
esac
