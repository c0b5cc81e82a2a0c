// The Connect schemas that JsonConverter with schemas.enable=true writes beside each payload of Debezium's
// Postgres connector. Made once a table. Pure.
#pragma once

#include "kafka/debezium_value.h"

#include <string>
#include <vector>

namespace tidemark::kafka {

// `topic`: "<prefix>.<schema>.<table>", which names the types. `plans`: of the table's columns, in their
// order.
std::string key_schema(const postgres::SourceTable& table, const std::vector<ValuePlan>& plans,
                       const std::string& topic);
std::string value_schema(const postgres::SourceTable& table, const std::vector<ValuePlan>& plans,
                         const std::string& topic);
// Of the topic with the transactions' ends.
const char* transaction_key_schema();
const char* transaction_schema();

}  // namespace tidemark::kafka
