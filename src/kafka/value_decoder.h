// One JSON value into one Column, in the form its producer writes (column_plan.h). Only for .cc files of this
// room: simdjson is a heavy header.
//
// nullptr: exactly one value was appended. Else why it cannot be taken, a static text, and the column is as
// it was.
#pragma once

#include "base/column.h"
#include "kafka/column_plan.h"

#include <simdjson.h>

namespace tidemark::kafka {

// What a row is refused with, wherever in it that is found.
inline constexpr const char* not_json = "the message is not valid JSON";

using ValueError = const char*;

struct ValueScratch {
  std::string text;
};

// `value` is read, not kept. NULL goes into nullable columns only.
ValueError append_value(const ColumnPlan& plan, simdjson::ondemand::value value, ValueScratch& scratch,
                        Column& out);

// The JSON text of a value, as it stands in the message; the value may be read afterwards.
simdjson::simdjson_result<std::string_view> json_text(simdjson::ondemand::value& value);

}  // namespace tidemark::kafka
