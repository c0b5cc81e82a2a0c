// One connection to Postgres: opens it, runs queries, turns what the server says into Errors with a kind a
// caller can act on.
//
// Every session is set to one way of printing values (ISO dates, ISO 8601 intervals, UTC, hex bytea, "C"
// money, shortest exact floats, UTF-8), because the text decoders read exactly that. TCP keepalives are on,
// so a silent network death is noticed within a minute.
//
// Threads: one at a time. Failure: see `open` and `server_error`; a connection that failed with
// dependency_down is dead and must be opened again. Passwords never appear in an Error.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;
struct pg_result;

namespace tidemark::postgres {

struct ConnectionOptions {
  std::string url;           // libpq URL or "key=value ..."; may hold a password
  bool replication = false;  // a logical replication session (still answers plain SQL without parameters)
  std::string application_name = "tidemark";
  int connect_timeout_s = 10;
};

// The rows of one answer, as text. Views point into it.
class Rows {
 public:
  explicit Rows(pg_result* result);
  size_t size() const;
  size_t columns() const;
  bool is_null(size_t row, size_t column) const;
  // The value; empty for NULL.
  std::string_view at(size_t row, size_t column) const;
  std::optional<std::string_view> value(size_t row, size_t column) const;
  // Readers for what the catalog returns; 0 / false when NULL.
  int64_t integer(size_t row, size_t column) const;
  double number(size_t row, size_t column) const;
  bool boolean(size_t row, size_t column) const;

 private:
  std::shared_ptr<pg_result> result_;
};

class Connection {
 public:
  // Errors: dependency_down (server away, starting, stopping, out of connections: trying again may help),
  // refused (password, role, database, pg_hba: it will not), config (the URL cannot be parsed).
  static Result<Connection> open(const ConnectionOptions& options);

  // One statement. With parameters ($1, ...) it is sent by the extended protocol, without by the simple one,
  // which is the only one a replication session takes.
  Result<Rows> query(const std::string& sql, const std::vector<std::string>& parameters = {});
  Status execute(const std::string& sql);
  // Runs "COPY ... TO STDOUT" and hands each piece of data to `sink` (for FORMAT binary: about one a row).
  // When the sink fails, the copy is cancelled and its error returned. Returns the bytes received.
  Result<uint64_t> copy_out(const std::string& sql, const std::function<Status(std::string_view)>& sink);

  pg_conn* handle() const { return connection_.get(); }
  int server_version() const;  // 150004 is 15.4
  int backend_pid() const;

 private:
  struct Closer {
    void operator()(pg_conn* connection) const;
  };
  explicit Connection(pg_conn* connection) : connection_(connection) {}
  std::unique_ptr<pg_conn, Closer> connection_;
};

// The server's "SQLSTATE: message", detail and hint as an Error; `result` may be null, then the connection's
// own last message is used and the kind is dependency_down.
Error server_error(pg_conn* connection, const pg_result* result);
ErrorKind kind_of_sqlstate(std::string_view sqlstate);

std::string quote_identifier(std::string_view name);
std::string quote_literal(std::string_view value);
// "postgresql://user@host:port/database" for messages: what libpq understood of the URL, without the
// password.
std::string display_url(const std::string& url);

}  // namespace tidemark::postgres
