#include "notify/postgres_carrier.h"

#include <boost/json.hpp>
#include <fmt/format.h>

namespace tidemark::notify {
namespace {

namespace json = boost::json;

std::string quoted(const std::string& table, const char* suffix) {
  size_t dot = table.find('.');
  std::string schema = dot == std::string::npos ? "public" : table.substr(0, dot);
  std::string name = dot == std::string::npos ? table : table.substr(dot + 1);
  return postgres::quote_identifier(schema) + "." + postgres::quote_identifier(name + suffix);
}

bool active(const std::string& kind) {
  return !kind.ends_with(".exited") && !kind.ends_with(".resolved");
}

// SQLSTATEs about the values themselves: bad data (22), a constraint somebody added (23), a limit (54).
// Everything else - rights, a dropped table, a full disk, a server that is away - is the destination's.
bool own_fault(const std::string& message) {
  return message.starts_with("22") || message.starts_with("23") || message.starts_with("54");
}

}  // namespace

PostgresCarrier::PostgresCarrier(PostgresOptions options)
    : options_(std::move(options)), table_(quoted(options_.table, "")), log_(quoted(options_.table, "_log")) {
  redaction_.add(options_.url.reveal());
}

Status PostgresCarrier::connect() {
  if (connection_) return {};
  auto connection = TRY(postgres::Connection::open(
      {.url = options_.url.reveal(), .application_name = "tidemark notifications"}));
  // A hanging server must not hold a carrier for ever.
  TRY_VOID(connection.execute("SET statement_timeout = '30s'; SET client_min_messages = warning"));
  TRY_VOID(connection.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {} (subject text, entity text, active boolean NOT NULL, type text NOT "
      "NULL, "
      "seq numeric(20) NOT NULL, happened_at timestamptz NOT NULL, subject_version text NOT NULL, cause text "
      "NOT NULL, data jsonb NOT NULL, PRIMARY KEY (subject, entity))",
      table_)));
  TRY_VOID(connection.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {} (id text PRIMARY KEY, seq numeric(20) NOT NULL, prev_seq numeric(20) "
      "NOT "
      "NULL, type text NOT NULL, subject text NOT NULL, subject_version text NOT NULL, entity text NOT NULL, "
      "cause text NOT NULL, happened_at timestamptz NOT NULL, data jsonb NOT NULL, delivered_at timestamptz "
      "NOT NULL DEFAULT now())",
      log_)));
  connection_.emplace(std::move(connection));
  return {};
}

Status PostgresCarrier::write(const std::string& rows) {
  const std::string columns =
      "json_to_recordset($1::json) AS r(id text, seq numeric(20), prev_seq numeric(20), type text, subject "
      "text, subject_version text, entity text, cause text, happened_at timestamptz, active boolean, data "
      "jsonb)";
  // One statement: both tables or none.
  std::string sql = fmt::format(
      "WITH r AS (SELECT * FROM {0}), logged AS (INSERT INTO {1} (id, seq, prev_seq, type, subject, "
      "subject_version, entity, cause, happened_at, data) SELECT id, seq, prev_seq, type, subject, "
      "subject_version, entity, cause, happened_at, data FROM r ORDER BY seq ON CONFLICT (id) DO NOTHING) "
      "INSERT INTO {2} AS t (subject, entity, active, type, seq, happened_at, subject_version, cause, data) "
      "SELECT DISTINCT ON (subject, entity) subject, entity, active, type, seq, happened_at, "
      "subject_version, "
      "cause, data FROM r ORDER BY subject, entity, seq DESC ON CONFLICT (subject, entity) DO UPDATE SET "
      "active = excluded.active, type = excluded.type, seq = excluded.seq, happened_at = "
      "excluded.happened_at, subject_version = excluded.subject_version, cause = excluded.cause, data = "
      "excluded.data WHERE t.seq < excluded.seq",
      columns, log_, table_);
  TRY(connection_->query(sql, {rows}));
  return {};
}

Outcome PostgresCarrier::carry(const std::vector<Notification>& notifications) {
  using Result = Outcome::Result;
  std::string rows = "[";
  for (const auto& notification : notifications) {
    // Also the check of `data`, which goes in as it is.
    auto body = payload(notification);
    if (!body) return {.result = Result::refused, .answer = body.error().message};
    size_t data = body->find("\"data\":") + 7;
    std::string row = json::serialize(json::object{{"id", message_id(options_.destination, notification)},
                                                   {"seq", std::to_string(notification.seq)},
                                                   {"prev_seq", std::to_string(notification.prev_seq)},
                                                   {"type", notification.kind},
                                                   {"subject", notification.subject},
                                                   {"subject_version", notification.subject_version},
                                                   {"entity", notification.entity},
                                                   {"cause", notification.cause},
                                                   {"happened_at", iso_time(notification.happened_at_ms)},
                                                   {"active", active(notification.kind)}});
    row.back() = ',';
    if (rows.size() > 1) rows += ',';
    rows += row + "\"data\":" + body->substr(data, body->size() - data - 1) + "}";
  }
  rows += "]";
  Status done = connect();
  if (!done) {
    connection_.reset();
    return {.result = Result::away, .answer = redaction_.excerpt(done.error().message)};
  }
  done = write(rows);
  if (done) return {};
  const Error& error = done.error();
  std::string answer = redaction_.excerpt(error.message);
  if (own_fault(error.message)) return {.result = Result::refused, .answer = answer};
  connection_.reset();
  return {.result = Result::away, .answer = answer};
}

}  // namespace tidemark::notify
