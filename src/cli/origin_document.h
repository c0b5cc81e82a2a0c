// Where an output row of a model came from (models/row_origin.h), as the verb `explain` and the API say it.
#pragma once

#include "models/row_origin.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

namespace tidemark::cli {

// {"condition", "total", "rows": [...], "tables": [{"table", "condition", "narrowed", "total", "rows"}],
// "left_out"}
boost::json::object origin_object(const models::RowOrigin& origin);

// Objects of a text that has one a line.
boost::json::array json_lines(const std::string& text);

}  // namespace tidemark::cli
