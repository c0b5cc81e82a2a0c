// What check --connect and doctor ask Kafka, in the words of postgres/preflight.h.
#pragma once

#include "config/kafka_source.h"
#include "postgres/preflight.h"

#include <vector>

namespace tidemark::cli {

// Do the brokers answer, are the topics there, may they be read.
std::vector<postgres::Finding> look_at_kafka(const config::KafkaSource& source);

}  // namespace tidemark::cli
