#include "serve/sql_console.h"

#include "base/clock.h"
#include "base/limits.h"
#include "clickhouse/cancellation.h"
#include "serve/tile_query.h"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::serve {
namespace {

namespace json = boost::json;
using http::Request;
using http::Response;

constexpr size_t console_rows = 1'000;  // what a person scrolls through

// The query, or why there is none.
Result<std::string> query_of(const Request& request) {
  boost::system::error_code error;
  const auto body = json::parse(request.body, error);
  const json::value* sql = !error && body.is_object() ? body.as_object().if_contains("sql") : nullptr;
  if (sql == nullptr || !sql->is_string() || sql->as_string().empty())
    return fail(ErrorKind::usage, "the body has no query", R"(send {"sql": "SELECT 1"})");
  return std::string(sql->as_string());
}

Response answer(clickhouse::ClientPool& pool, const Request& request) {
  auto sql = query_of(request);
  if (!sql) return Response::problem(400, "bad request", sql.error().message, sql.error().remedy);
  const int64_t begun = system_clock().monotonic_micros();
  const clickhouse::CancellationScope while_wanted(request.gone);
  auto text = run_tile_query(*pool.lease(), *sql, console_rows,
                             {.settings = {{"cancel_http_readonly_queries_on_client_close", "1"}}});
  if (!text) {
    const Error& error = text.error();
    // What the server has against the text is the caller's.
    if (error.kind == ErrorKind::dependency_down) return Response::problem(error);
    return Response::problem(400, "the query failed", error.message, error.remedy);
  }
  text->pop_back();
  *text += fmt::format(",\"limit\":{},\"seconds\":{:.4f}}}", console_rows,
                       static_cast<double>(system_clock().monotonic_micros() - begun) / 1e6);
  return Response::json(std::move(*text));
}

}  // namespace

void add_sql_route(http::Server& server, clickhouse::ClientPool& pool,
                   std::function<std::optional<Response>(const Request&)> refuse) {
  server.route("POST", "/api/sql", [&pool, refuse = std::move(refuse)](const Request& request) {
    if (auto refused = refuse(request)) return std::move(*refused);
    return answer(pool, request);
  });
}

}  // namespace tidemark::serve
