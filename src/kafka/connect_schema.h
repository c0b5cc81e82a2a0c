// What a Kafka Connect schema, as its JSON converter writes it beside each payload, says about columns; and
// what can be said without one, from the values of some messages. Cold code: run once a schema.
#pragma once

#include "kafka/column_plan.h"
#include "kafka/message_decoder.h"

#include <string>
#include <string_view>
#include <vector>

namespace tidemark::kafka {

// Columns of a struct schema; of an envelope: those of its `after`. Errors: corrupt, unsupported.
Result<std::vector<ColumnPlan>> columns_of_schema(std::string_view schema);

// A sampled message, copied.
struct Sample {
  std::string topic;
  std::optional<std::string> key;
  std::optional<std::string> value;
};

// The shape of a topic's table from some of its messages: by their schema when they carry one, else by their
// values: whole numbers Int64, other numbers Float64, true and false Bool, everything else String; all but
// the key may be NULL. The key is the message key's fields for `debezium` and `flat`. Errors: config when
// nothing can be learned.
Result<TableShape> learn_shape(Format format, const std::vector<Sample>& samples);

// The columns that `outbox` and `lines` always have; empty for other formats.
TableShape fixed_shape(Format format);

}  // namespace tidemark::kafka
