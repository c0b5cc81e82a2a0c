// Ids that stay out: what is sent under them is counted and not kept. A person who is deleted stays deleted
// by this, whatever their browser still sends.
//
// An id is known here only by HMAC-SHA256 under the project's key, so tidemark.suppressions and receipts tell
// nobody who it was, and whoever has the key and the id can find it. The key lies in the project's directory
// (.tidemark/privacy.key, 0600), not in the warehouse: a copy of one without the other is of no use to those
// who guess. A project whose key is gone does not start as long as the warehouse has something suppressed
// under it: it would take in everybody again.
//
// Thread-safe. suppressed() costs nothing while there is nobody.
#pragma once

#include "clickhouse/client_pool.h"

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

namespace tidemark::profiles {

class Suppressions {
 public:
  // The key is made when there is none. Errors: conflict when the warehouse knows another one.
  static Result<std::unique_ptr<Suppressions>> open(clickhouse::ClientPool& pool,
                                                    const std::filesystem::path& project);

  // 64 hexadecimal digits. `profiles`: the name of a definition: the same value under two is two ids.
  std::string hash(const std::string& profiles, const std::string& id) const;
  bool any() const { return count_ > 0; }
  uint64_t count() const { return count_; }
  bool suppressed(const std::string& profiles, const std::string& id) const;
  // In force when it returns. `deletion`: 0: of none.
  Status put(const std::string& profiles, const std::vector<std::string>& ids, bool suppressed,
             uint64_t deletion);

  // What was left out since the start.
  void left_out(uint64_t rows) { left_out_ += rows; }
  uint64_t left_out() const { return left_out_; }

 private:
  Suppressions(clickhouse::ClientPool& pool, std::string key) : pool_(pool), key_(std::move(key)) {}
  Status load();

  clickhouse::ClientPool& pool_;
  const std::string key_;
  std::atomic<uint64_t> count_{0}, left_out_{0};
  mutable std::mutex mutex_;
  std::unordered_set<std::string> hashes_;
};

}  // namespace tidemark::profiles
