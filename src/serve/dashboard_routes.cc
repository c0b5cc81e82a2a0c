#include "serve/dashboard_routes.h"

#include "base/limits.h"
#include "clickhouse/cancellation.h"
#include "serve/documents.h"
#include "serve/live_limits.h"
#include "serve/range_clock.h"
#include "serve/result_format.h"
#include "serve/shared_routes.h"
#include "serve/tile_query.h"

#include <boost/json.hpp>
#include <charconv>

namespace tidemark::serve {

namespace json = boost::json;
using http::Request;
using http::Response;

namespace {

Response no_dashboard() {
  return Response::problem(404, "not found", "there is no dashboard of that name",
                           "GET /api/dashboards lists them");
}

// A mistake of whoever asks is 400, whatever its kind.
Response not_shown(const Error& error) {
  if (error.kind == ErrorKind::usage || error.kind == ErrorKind::refused || error.kind == ErrorKind::limit)
    return Response::problem(400, "bad request", error.message, error.remedy);
  return Response::problem(error);
}

class DashboardRoutes {
 public:
  explicit DashboardRoutes(DashboardParts parts) : parts_(std::move(parts)) {}

  const config::Dashboard* find(const Request& request) const {
    for (const auto& dashboard : parts_.dashboards)
      if (dashboard.name == request.path_parameters.at("name")) return &dashboard;
    return nullptr;
  }

  std::optional<Response> watch(const Request& request, std::shared_ptr<http::EventStream> stream) const {
    const config::Dashboard* dashboard = find(request);
    if (dashboard == nullptr) return no_dashboard();
    auto chosen = read_view_parameters(*dashboard, request, {"after"});
    if (!chosen) return not_shown(chosen.error());
    // A zone that nobody knows is said here, once, not at every tile.
    if (chosen->zone != dashboard->time.zone)
      if (auto known =
              instants_of(*parts_.pool.lease(), *config::parse_time_range("today"), chosen->zone, false);
          !known)
        return not_shown(known.error());
    std::string after(request.header("last-event-id"));
    if (after.empty()) after = request.query_value("after").value_or("");
    if (parts_.live.watch(*dashboard, *chosen, std::move(stream), after)) return std::nullopt;
    Response busy = Response::problem(
        503, "busy", fmt::format("{} different views are open, which is the most", limits::live_views_max),
        "choose a range and filters that others have, or try again later");
    busy.headers.emplace_back("Retry-After", "10");
    return busy;
  }

  Response filters(const Request& request) const {
    const config::Dashboard* dashboard = find(request);
    if (dashboard == nullptr) return no_dashboard();
    json::array list;
    for (const auto& filter : dashboard->filters) {
      json::object entry = {{"name", filter.name}};
      if (!filter.sql.empty()) {
        auto found = run_tile_query(*parts_.pool.lease(), filter.sql, limits::filter_options_max);
        if (found) {
          const json::value parsed = json::parse(*found);
          entry["values"] = parsed.at("data");
          entry["complete"] = parsed.at("data").as_array().size() < limits::filter_options_max;
        } else {
          entry["error"] = found.error().message;
        }
      }
      list.push_back(std::move(entry));
    }
    return Response::json(json::serialize(json::object{{"filters", std::move(list)}}));
  }

  Response result(const Request& request) const {
    return with_tile(
        request, {"format"},
        [&](const config::Dashboard& dashboard, const config::Tile& tile, const ViewParameters& chosen) {
          const ResultFormat* format = find_format(request.query_value("format").value_or("json"));
          if (format == nullptr)
            return Response::problem(400, "bad request", "there is no such format", format_names());
          auto client = parts_.pool.lease();
          auto options = options_for(*client, dashboard, tile.parameters, chosen);
          if (!options) return not_shown(options.error());
          std::string tag = tag_for(dashboard, tile, *format, *options);
          if (has_answer(request, tag)) {
            ++parts_.answers.unchanged;
            return unchanged(tag);
          }
          ++parts_.answers.queries;
          options->settings["max_result_rows"] = std::to_string(limits::endpoint_result_rows_max);
          options->settings["max_execution_time"] = std::to_string(limits::tile_query_seconds_max);
          options->settings["result_overflow_mode"] = "throw";
          options->settings["cancel_http_readonly_queries_on_client_close"] = "1";
          add_exact_json(options->settings);
          const clickhouse::CancellationScope while_wanted(request.gone);
          auto text = client->query_text(tile.query + "\nFORMAT " + format->clickhouse, *options);
          if (!text) return not_shown(text.error());
          if (tag.empty()) tag = tag_of(*text);
          if (has_answer(request, tag)) return unchanged(tag);
          Response response = Response::text(std::move(*text), format->content_type);
          response.headers.emplace_back("ETag", tag);
          response.headers.emplace_back("Cache-Control", "no-cache");
          return response;
        });
  }

  Response rows(const Request& request) const {
    return with_tile(
        request, {},
        [&](const config::Dashboard& dashboard, const config::Tile& tile, const ViewParameters& chosen) {
          if (tile.drill.sql.empty())
            return Response::problem(404, "not found", "nothing is declared behind this tile's rows",
                                     "add `drill` to the tile");
          auto client = parts_.pool.lease();
          auto options = options_for(*client, dashboard, tile.drill.parameters, chosen);
          if (!options) return not_shown(options.error());
          for (const auto& [name, type] : tile.drill.parameters) {
            if (options->parameters.contains(name) || options->raw_parameters.contains(name)) continue;
            auto value = request.query_value("row." + name);
            if (!value && !type.starts_with("Nullable("))
              return Response::problem(400, "bad request", fmt::format("row.{} ({}) is missing", name, type),
                                       "send the columns of the row that is asked about");
            if (value)
              options->parameters[name] = *value;
            else
              options->raw_parameters[name] = "\\N";
          }
          options->settings["cancel_http_readonly_queries_on_client_close"] = "1";
          const clickhouse::CancellationScope while_wanted(request.gone);
          auto text = run_tile_query(*client, tile.drill.sql, limits::drill_rows_max, std::move(*options));
          if (!text) return not_shown(text.error());
          text->pop_back();
          *text += fmt::format(",\"limit\":{}}}", limits::drill_rows_max);
          return Response::json(std::move(*text));
        });
  }

 private:
  template <class Answer>
  Response with_tile(const Request& request, const std::vector<std::string>& others,
                     const Answer& answer) const {
    const config::Dashboard* dashboard = find(request);
    if (dashboard == nullptr) return no_dashboard();
    const std::string& text = request.path_parameters.at("tile");
    size_t tile = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), tile);
    if (failure != std::errc{} || end != text.data() + text.size() || tile >= dashboard->tiles.size() ||
        dashboard->tiles[tile].query.empty())
      return Response::problem(
          404, "not found", fmt::format("the dashboard {} has no tile {} with rows", dashboard->name, text),
          "tiles are numbered from 0");
    auto chosen = read_view_parameters(*dashboard, request, others);
    if (!chosen) return not_shown(chosen.error());
    return answer(*dashboard, dashboard->tiles[tile], *chosen);
  }

  static Result<clickhouse::QueryOptions> options_for(clickhouse::Client& client,
                                                      const config::Dashboard& dashboard,
                                                      const std::vector<config::TileParameter>& parameters,
                                                      const ViewParameters& chosen) {
    clickhouse::QueryOptions options;
    options.timeout = std::chrono::seconds(limits::tile_query_seconds_max + 2);
    Instants instants;
    if (asks_for_time(parameters)) instants = TRY(instants_of(client, chosen.range, chosen.zone, false));
    bind_choice(options, parameters, dashboard, chosen, instants);
    return options;
  }

  // Empty: it is known when the answer is.
  std::string tag_for(const config::Dashboard& dashboard, const config::Tile& tile,
                      const ResultFormat& format, const clickhouse::QueryOptions& options) const {
    const std::string version = parts_.time(tile.query).version;
    if (version.empty()) return "";
    return tag_of(fmt::format("{}\n{}\n{}\n{}\n{}", version, dashboard.name, tile.query, format.name,
                              bound_text(options)));
  }

  const DashboardParts parts_;
};

}  // namespace

void add_dashboard_routes(http::Server& server, DashboardParts parts) {
  auto routes = std::make_shared<const DashboardRoutes>(parts);
  server.route("GET", "/api/dashboards", [parts](const Request&) {
    return Response::json(dashboards_document(parts.project, parts.dashboards));
  });
  server.route("GET", "/api/dashboards/{name}", [routes](const Request& request) {
    const config::Dashboard* dashboard = routes->find(request);
    return dashboard == nullptr ? no_dashboard() : Response::json(dashboard_document(*dashboard));
  });
  server.stream("/api/dashboards/{name}/live",
                [routes](const Request& request, std::shared_ptr<http::EventStream> stream) {
                  return routes->watch(request, std::move(stream));
                });
  server.route("GET", "/api/dashboards/{name}/filters",
               [routes](const Request& request) { return routes->filters(request); });
  server.route("GET", "/api/dashboards/{name}/tiles/{tile}",
               [routes](const Request& request) { return routes->result(request); });
  server.route("GET", "/api/dashboards/{name}/tiles/{tile}/rows",
               [routes](const Request& request) { return routes->rows(request); });
  if (parts.directory.empty()) return;
  add_shared_routes(server, parts.directory, parts.dashboards,
                    {.filters = [routes](const Request& request) { return routes->filters(request); },
                     .tile = [routes](const Request& request) { return routes->result(request); },
                     .live =
                         [routes](const Request& request, std::shared_ptr<http::EventStream> stream) {
                           return routes->watch(request, std::move(stream));
                         }});
}

}  // namespace tidemark::serve
