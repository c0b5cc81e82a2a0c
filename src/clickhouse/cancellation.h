// Ends what a thread asks of ClickHouse when nobody waits for the answer any more: while a scope is alive,
// every call of every Client of this thread is given up about a second after its flag is set, as
// ErrorKind::cancelled. The server ends a read that it was asked for with the setting
// cancel_http_readonly_queries_on_client_close.
//
// A scope a thread, of reads only: what became of a write that was given up nobody knows.
#pragma once

#include <atomic>
#include <memory>

namespace tidemark::clickhouse {

class CancellationScope {
 public:
  // Null: nothing is ever cancelled.
  explicit CancellationScope(std::shared_ptr<const std::atomic<bool>> flag);
  ~CancellationScope();
  CancellationScope(const CancellationScope&) = delete;
  CancellationScope& operator=(const CancellationScope&) = delete;

  static bool active();
  static bool cancelled();

 private:
  std::shared_ptr<const std::atomic<bool>> flag_;
};

}  // namespace tidemark::clickhouse
