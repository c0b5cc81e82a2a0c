// What a viewer chose on a dashboard: a range of time, a zone, values of filters, comparison with the period
// before. All of it is in the address of the page and of its event stream (?time=last 7
// days&zone=Europe/Berlin &campaign=a&campaign=b&compare=1).
//
// Nothing of it becomes part of a query's text: ClickHouse binds it to the {name:Type} of the query, and
// values of numbers are checked here. Two viewers who chose the same have the same key(); a query that names
// only some of the parameters has the same key for all who agree on those, so it runs once for them.
//
// Values, no threads.
#pragma once

#include "clickhouse/client.h"
#include "config/dashboard.h"
#include "http/server.h"

#include <map>
#include <string>
#include <vector>

namespace tidemark::serve {

// A range at a moment, in one zone; `to` is not part of it.
struct Instants {
  int64_t from = 0, to = 0;      // seconds since 1970
  std::string from_day, to_day;  // days of the zone; to_day is the day after the last one
  bool everything = false;       // the range `all`
  uint32_t step() const;         // seconds between two points of a chart: at most about 150 points
};

struct ViewParameters {
  config::TimeRange range;
  std::string zone = "UTC";
  bool compare = false;
  std::map<std::string, std::vector<std::string>> filters;  // only those with values; sorted, each once

  // The same choice, the same text. `used`: as far as these parameters tell it apart.
  std::string key() const;
  std::string key(const std::vector<config::TileParameter>& used, bool before) const;
};

// Whether a query is another one for another range, and so has a period before.
bool asks_for_time(const std::vector<config::TileParameter>& parameters);

// Parameters of the address that are the dashboard's own. Errors (usage): a range, zone or value that is
// none, a filter that there is not. Names in `others`, and those that begin with "row.", are passed over.
Result<ViewParameters> read_view_parameters(const config::Dashboard& dashboard, const http::Request& request,
                                            const std::vector<std::string>& others = {});

// Gives the query what it names. Types: those that config::load_dashboard lets through.
void bind_choice(clickhouse::QueryOptions& options, const std::vector<config::TileParameter>& parameters,
                 const config::Dashboard& dashboard, const ViewParameters& view, const Instants& instants);

// The text of one end of a range as a value of that type.
std::string bound_text(const std::string& type, int64_t seconds, const std::string& day, bool everything,
                       bool end);

// Whether `text` is a value of a numeric type; true for all other types, which ClickHouse reads itself.
bool fits_number(const std::string& type, std::string_view text);

}  // namespace tidemark::serve
