// One conversation with ClickHouse over HTTP: one persistent connection, one call at a time. Move-only; give
// each thread its own (client_pool.h).
//
// Failure. The caller must be able to tell "it did not happen" from "nobody knows", because a blind second
// try of the latter counts rows twice:
//   dependency_down   nothing happened: no connection, or the server said it cannot take this now (too many
//   parts,
//                     too many queries, read-only for a moment). Trying again may help.
//   unknown_outcome   the request was under way when the connection broke, the time ran out or the answer was
//   cut
//                     short. A write may have happened: repeat it only with the same deduplication token.
//   refused           the server said no; the same request will get the same answer.
//   limit             a bound of the server (memory, rows, time) or of ours (limits.h) was hit.
//   cancelled         the callback of a streaming call asked to stop is returned as the callback's own error.
// A refused or limited INSERT into a table with materialized views may be in some of them: only the same
// block under the same token makes that whole (retry.h). An answer that fails half way (HTTP 200, then an
// exception in the stream) is an error, never a short result. Messages carry ClickHouse's code, its name and
// its text, without stack, version or host noise.
#pragma once

#include "base/column.h"
#include "base/error.h"
#include "clickhouse/cluster_statement.h"
#include "clickhouse/endpoint.h"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::clickhouse {

struct QueryOptions {
  std::map<std::string, std::string> settings;
  // {name:Type} in the SQL. Plain text of a scalar; the client escapes it.
  std::map<std::string, std::string> parameters;
  // The same, already in ClickHouse's escaped form: arrays ("['a','b']", see array_parameter) and NULL
  // ("\N").
  std::map<std::string, std::string> raw_parameters;
  std::chrono::milliseconds timeout{30'000};  // of the whole call
  std::string query_id;
  Placement placement = Placement::automatic;  // on a cluster
  // Which columns no rows have takes query() a second question. False: then there are none.
  bool describe_empty = true;
};

// The text of an Array(String) parameter, for raw_parameters.
std::string array_parameter(const std::vector<std::string>& values);

class Client {
 public:
  explicit Client(Endpoint endpoint);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  const Endpoint& endpoint() const;

  // Statements without a result: DDL, INSERT SELECT, SYSTEM. On a cluster (Endpoint::cluster) also on its
  // shards, as cluster_statement.h says.
  Status execute(std::string_view sql, const QueryOptions& options = {});

  // A SELECT without FORMAT: all rows in one block, at most limits::query_result_bytes_max. Columns keep
  // their names and types even when there are no rows. LowCardinality arrives as its plain type; JSON as
  // text; types outside base/column_type.h are `unsupported` and the message names the column.
  Result<Block> query(std::string_view sql, const QueryOptions& options = {});

  // The same, block by block as they arrive; on_block sees only blocks with rows. An error of on_block ends
  // the query and is returned.
  Status query_blocks(std::string_view sql, const QueryOptions& options,
                      const std::function<Status(const Block&)>& on_block);

  // The body as it is; the SQL has its own FORMAT (or the server's default, TabSeparated).
  Result<std::string> query_text(std::string_view sql, const QueryOptions& options = {});
  // The same in pieces as they arrive. When an error is returned the pieces seen so far are not a result.
  Status stream_text(std::string_view sql, const QueryOptions& options,
                     const std::function<Status(std::string_view)>& sink);

  // One INSERT of one Native block. `table` is already quoted ("`bronze`.`orders`"); the column list is
  // block.names. An empty block does nothing. On a cluster rows of mirrored tables go to their shards.
  Status insert(std::string_view table, const Block& block, const QueryOptions& options = {});

  // GET /ping: the server answers. Any error means it does not.
  Status ping(std::chrono::milliseconds timeout);

 private:
  struct Connection;
  Status execute_here(std::string_view sql, const QueryOptions& options);
  Block columns_of(std::string_view sql, const QueryOptions& options);
  Status query_native(std::string_view sql, const QueryOptions& options,
                      const std::function<Status(Block)>& on_block);
  std::unique_ptr<Connection> connection_;
};

}  // namespace tidemark::clickhouse
