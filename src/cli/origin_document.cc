#include "cli/origin_document.h"

#include <boost/json.hpp>
#include <sstream>

namespace tidemark::cli {

namespace json = boost::json;

json::array json_lines(const std::string& text) {
  json::array list;
  std::stringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    boost::system::error_code error;
    auto value = json::parse(line, error);
    if (!error) list.push_back(std::move(value));
  }
  return list;
}

json::object origin_object(const models::RowOrigin& origin) {
  json::array tables;
  for (const auto& table : origin.tables)
    tables.push_back(json::object{{"table", table.table},
                                  {"condition", table.condition},
                                  {"narrowed", table.narrowed},
                                  {"total", table.narrowed ? json::value(table.total) : json::value()},
                                  {"rows", json_lines(table.rows)}});
  return {{"condition", origin.condition},
          {"total", origin.rows},
          {"rows", json_lines(origin.row)},
          {"tables", std::move(tables)},
          {"left_out", json::value_from(origin.left_out)}};
}

}  // namespace tidemark::cli
