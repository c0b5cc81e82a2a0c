#include "postgres/connection.h"

#include <cctype>
#include <charconv>
#include <cstdlib>
#include <fmt/format.h>
#include <libpq-fe.h>

namespace tidemark::postgres {
namespace {

// One way of printing values, which the text decoders rely on. Set by SQL and not in `options`, which poolers
// refuse.
constexpr const char* session_settings =
    "SET datestyle = 'ISO, MDY'; SET intervalstyle = 'iso_8601'; SET timezone = 'UTC'; SET bytea_output = "
    "'hex'; "
    "SET extra_float_digits = 1; SET lc_monetary = 'C'; SET xmlbinary = 'base64'; "
    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";

std::string trimmed(const char* text) {
  std::string result = text == nullptr ? "" : text;
  while (!result.empty() && (result.back() == '\n' || result.back() == ' ')) result.pop_back();
  return result;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// libpq gives no SQLSTATE for a connection that was refused, only the server's words; they are matched in
// English (lc_messages of the server may differ, then the kind is dependency_down: it is tried again, and the
// words shown).
Error connect_error(const std::string& text, const std::string& url) {
  std::string message = fmt::format("cannot connect to {}: {}", url, text);
  if (contains(text, "password authentication failed") || contains(text, "no password supplied"))
    return {ErrorKind::refused, message, "check user and password in the source's url"};
  if (contains(text, "authentication failed"))
    return {ErrorKind::refused, message, "check the user in the source's url and the server's pg_hba.conf"};
  if (contains(text, "no pg_hba.conf entry"))
    return {ErrorKind::refused, message,
            "allow this host, user and database in the server's pg_hba.conf (replication needs no entry of "
            "its own "
            "when a database is named) and reload it"};
  if (contains(text, "role") &&
      (contains(text, "does not exist") || contains(text, "is not permitted to log in")))
    return {ErrorKind::refused, message, "create the role with LOGIN, or name another in the source's url"};
  if (contains(text, "database") && contains(text, "does not exist"))
    return {ErrorKind::refused, message, "name an existing database in the source's url"};
  if (contains(text, "permission denied") || contains(text, "must be superuser or replication role"))
    return {ErrorKind::refused, message, "ALTER ROLE ... REPLICATION for the role in the source's url"};
  if (contains(text, "too many connections") || contains(text, "too many clients") ||
      contains(text, "remaining connection slots") || contains(text, "max_wal_senders"))
    return {ErrorKind::dependency_down, message,
            "raise max_connections or max_wal_senders on the server, or close connections"};
  if (contains(text, "starting up") || contains(text, "shutting down") || contains(text, "recovery mode"))
    return {ErrorKind::dependency_down, message, "wait until the server is up; it is tried again"};
  if (contains(text, "could not translate host name"))
    return {ErrorKind::dependency_down, message, "check the host in the source's url, and the name service"};
  return {ErrorKind::dependency_down, message, "check that the server runs and listens at that address"};
}

struct OptionsFree {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
using ConnectionInfo = std::unique_ptr<PQconninfoOption, OptionsFree>;

ConnectionInfo parse_url(const std::string& url) {
  return ConnectionInfo(PQconninfoParse(url.c_str(), nullptr));
}

// libpq's own errors may repeat what the server or the user said, never the password; this makes sure.
std::string without_password(std::string text, const ConnectionInfo& info) {
  for (auto* option = info.get(); option != nullptr && option->keyword != nullptr; ++option) {
    if (std::string_view(option->keyword).find("password") == std::string_view::npos ||
        option->val == nullptr)
      continue;
    std::string_view password = option->val;
    if (password.size() < 4) continue;
    for (size_t at; (at = text.find(password)) != std::string::npos;)
      text.replace(at, password.size(), "***");
  }
  return text;
}

}  // namespace

Rows::Rows(pg_result* result) : result_(result, PQclear) {}
size_t Rows::size() const {
  return static_cast<size_t>(PQntuples(result_.get()));
}
size_t Rows::columns() const {
  return static_cast<size_t>(PQnfields(result_.get()));
}
bool Rows::is_null(size_t row, size_t column) const {
  return PQgetisnull(result_.get(), static_cast<int>(row), static_cast<int>(column)) != 0;
}
std::string_view Rows::at(size_t row, size_t column) const {
  int r = static_cast<int>(row);
  int c = static_cast<int>(column);
  return {PQgetvalue(result_.get(), r, c), static_cast<size_t>(PQgetlength(result_.get(), r, c))};
}
std::optional<std::string_view> Rows::value(size_t row, size_t column) const {
  if (is_null(row, column)) return std::nullopt;
  return at(row, column);
}
int64_t Rows::integer(size_t row, size_t column) const {
  std::string_view text = at(row, column);
  int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}
double Rows::number(size_t row, size_t column) const {
  std::string_view text = at(row, column);
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}
bool Rows::boolean(size_t row, size_t column) const {
  return at(row, column) == "t";
}

void Connection::Closer::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Result<Connection> Connection::open(const ConnectionOptions& options) {
  ConnectionInfo info = parse_url(options.url);
  if (!info)
    return fail(ErrorKind::config, "the Postgres url cannot be parsed",
                "write postgresql://user:password@host:5432/database, or host=... dbname=... user=...");
  std::string timeout = std::to_string(options.connect_timeout_s);
  // dbname comes first and is expanded; what follows overrides it.
  std::vector<const char*> keywords = {"dbname",          "client_encoding",     "fallback_application_name",
                                       "keepalives_idle", "keepalives_interval", "keepalives_count",
                                       "connect_timeout"};
  std::vector<const char*> values = {
      options.url.c_str(), "UTF8", options.application_name.c_str(), "20", "10", "3", timeout.c_str()};
  if (options.replication) {
    keywords.push_back("replication");
    values.push_back("database");
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  Connection connection(PQconnectdbParams(keywords.data(), values.data(), 1));
  if (!connection.connection_) throw std::bad_alloc();
  if (PQstatus(connection.handle()) != CONNECTION_OK)
    return fail(connect_error(without_password(trimmed(PQerrorMessage(connection.handle())), info),
                              display_url(options.url)));
  PQsetNoticeProcessor(
      connection.handle(), [](void*, const char*) {}, nullptr);
  // SQL_ASCII knows no encoding: asked for UTF-8 the server would refuse bytes that are none, and a stream
  // would stand still at such a row. Taken as they are, they are the same from copy and stream.
  const char* encoding = PQparameterStatus(connection.handle(), "server_encoding");
  if (encoding != nullptr && std::string_view(encoding) == "SQL_ASCII")
    TRY_VOID(connection.execute("SET client_encoding = 'SQL_ASCII'"));
  TRY_VOID(connection.execute(session_settings));
  return connection;
}

Result<Rows> Connection::query(const std::string& sql, const std::vector<std::string>& parameters) {
  PGresult* result = nullptr;
  if (parameters.empty()) {
    result = PQexec(handle(), sql.c_str());
  } else {
    std::vector<const char*> values;
    for (const auto& parameter : parameters) values.push_back(parameter.c_str());
    result = PQexecParams(handle(), sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(),
                          nullptr, nullptr, 0);
  }
  ExecStatusType status = PQresultStatus(result);
  Rows rows(result);
  if (result != nullptr &&
      (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY))
    return rows;
  return fail(server_error(handle(), result));
}

Status Connection::execute(const std::string& sql) {
  TRY_VOID(query(sql));
  return {};
}

Result<uint64_t> Connection::copy_out(const std::string& sql,
                                      const std::function<Status(std::string_view)>& sink) {
  Rows started(PQexec(handle(), sql.c_str()));
  PGresult* result = PQgetResult(handle());  // null unless sql held several statements
  PQclear(result);
  if (PQtransactionStatus(handle()) == PQTRANS_UNKNOWN) return fail(server_error(handle(), nullptr));
  uint64_t bytes = 0;
  Status failed;
  for (;;) {
    char* buffer = nullptr;
    int length = PQgetCopyData(handle(), &buffer, 0);
    if (length <= 0) break;
    bytes += static_cast<uint64_t>(length);
    if (failed) {
      failed = sink({buffer, static_cast<size_t>(length)});
      if (!failed) {
        std::unique_ptr<PGcancel, void (*)(PGcancel*)> cancel(PQgetCancel(handle()), PQfreeCancel);
        char ignored[256];
        PQcancel(cancel.get(), ignored, sizeof ignored);
      }
    }
    PQfreemem(buffer);
  }
  std::optional<Error> error;
  while ((result = PQgetResult(handle())) != nullptr) {
    if (PQresultStatus(result) != PGRES_COMMAND_OK && !error) error = server_error(handle(), result);
    PQclear(result);
  }
  if (!failed) return fail(failed.error());
  if (error) return fail(*error);
  if (PQstatus(handle()) != CONNECTION_OK) return fail(server_error(handle(), nullptr));
  return bytes;
}

int Connection::server_version() const {
  return PQserverVersion(handle());
}
int Connection::backend_pid() const {
  return PQbackendPID(handle());
}

ErrorKind kind_of_sqlstate(std::string_view state) {
  auto in_class = [&](std::string_view prefix) { return state.starts_with(prefix); };
  if (in_class("08") || in_class("57P") || in_class("53") || in_class("58"))
    return ErrorKind::dependency_down;
  if (state == "57014") return ErrorKind::cancelled;
  // in use, deadlock, serialization failure, lock not available, already exists
  if (state == "55006" || in_class("40") || state == "55P03" || state == "42710" || state == "42P07")
    return ErrorKind::conflict;
  if (in_class("0A")) return ErrorKind::unsupported;
  if (in_class("XX") && state != "XX000") return ErrorKind::corrupt;
  return ErrorKind::refused;
}

Error server_error(pg_conn* connection, const pg_result* result) {
  const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state == nullptr) {
    std::string text = trimmed(PQerrorMessage(connection));
    if (text.empty()) text = "the connection is in an unexpected state";
    return {ErrorKind::dependency_down,
            fmt::format("the connection to Postgres was lost: {}", first_line(text)),
            "check the server's log; it is tried again"};
  }
  auto field = [&](int code) { return trimmed(PQresultErrorField(result, code)); };
  std::string message = fmt::format("{}: {}", state, field(PG_DIAG_MESSAGE_PRIMARY));
  if (std::string detail = field(PG_DIAG_MESSAGE_DETAIL); !detail.empty()) message += " (" + detail + ")";
  std::string remedy = field(PG_DIAG_MESSAGE_HINT);
  if (remedy.empty() && std::string_view(state) == "42501")
    remedy = "GRANT the missing right to the role in the url";
  return {kind_of_sqlstate(state), message, remedy};
}

std::string quote_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (char character : name) {
    if (character == '"') quoted += '"';
    quoted += character;
  }
  return quoted + '"';
}

std::string quote_literal(std::string_view value) {
  bool backslash = value.find('\\') != std::string_view::npos;
  std::string quoted = backslash ? " E'" : "'";
  for (char character : value) {
    if (character == '\'' || character == '\\') quoted += character;
    quoted += character;
  }
  return quoted + "'";
}

std::string display_url(const std::string& url) {
  ConnectionInfo info = parse_url(url);
  if (!info) return "(a Postgres url that cannot be parsed)";
  std::map<std::string_view, std::string> known;
  for (auto* option = info.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr) known[option->keyword] = option->val;
  // What the url leaves out, libpq takes from the environment.
  auto part = [&](const char* keyword, const char* variable) {
    if (auto found = known.find(keyword); found != known.end()) return found->second;
    const char* value = std::getenv(variable);
    return std::string(value == nullptr ? "" : value);
  };
  std::string text = "postgresql://";
  if (std::string user = part("user", "PGUSER"); !user.empty()) text += user + "@";
  std::string host = part("host", "PGHOST");
  text += host.empty() ? "localhost" : host;
  if (std::string port = part("port", "PGPORT"); !port.empty()) text += ":" + port;
  if (std::string database = part("dbname", "PGDATABASE"); !database.empty()) text += "/" + database;
  return text;
}

}  // namespace tidemark::postgres
