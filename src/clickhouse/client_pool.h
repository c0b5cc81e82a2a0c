// A bounded number of Clients for one endpoint, lent to whoever needs one. Thread-safe. lease() waits when
// all are lent, which is what keeps the program from burying the server. Clients are made on first need and
// kept.
#pragma once

#include "clickhouse/client.h"

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

namespace tidemark::clickhouse {

class ClientPool {
 public:
  // size: most clients lent at once.
  explicit ClientPool(Endpoint endpoint, size_t size = 8);
  ClientPool(const ClientPool&) = delete;
  ClientPool& operator=(const ClientPool&) = delete;

  // A client that goes back by itself. Must not outlive the pool.
  class Lease {
   public:
    Lease(Lease&& other) noexcept : pool_(other.pool_), client_(std::move(other.client_)) {
      other.pool_ = nullptr;
    }
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Client& operator*() { return client_; }
    Client* operator->() { return &client_; }

   private:
    friend class ClientPool;
    Lease(ClientPool* pool, Client client) : pool_(pool), client_(std::move(client)) {}
    ClientPool* pool_;
    Client client_;
  };

  Lease lease();
  // Lends as many as this from now on, if that is more.
  void grow(size_t size);
  const Endpoint& endpoint() const { return endpoint_; }

  // For single calls.
  Status execute(std::string_view sql, const QueryOptions& options = {}) {
    return lease()->execute(sql, options);
  }
  Result<Block> query(std::string_view sql, const QueryOptions& options = {}) {
    return lease()->query(sql, options);
  }

 private:
  void give_back(Client client);

  Endpoint endpoint_;
  size_t size_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<Client> idle_;
  size_t lent_ = 0;
};

}  // namespace tidemark::clickhouse
