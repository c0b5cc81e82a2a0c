#include "clickhouse/client_pool.h"

namespace tidemark::clickhouse {

ClientPool::ClientPool(Endpoint endpoint, size_t size) : endpoint_(std::move(endpoint)), size_(size) {}

ClientPool::Lease ClientPool::lease() {
  std::unique_lock lock(mutex_);
  returned_.wait(lock, [&] { return lent_ < size_; });
  ++lent_;
  if (idle_.empty()) return {this, Client(endpoint_)};
  Client client = std::move(idle_.back());
  idle_.pop_back();
  return {this, std::move(client)};
}

void ClientPool::grow(size_t size) {
  std::lock_guard lock(mutex_);
  size_ = std::max(size_, size);
  returned_.notify_all();
}

ClientPool::Lease::~Lease() {
  if (pool_ != nullptr) pool_->give_back(std::move(client_));
}

void ClientPool::give_back(Client client) {
  std::lock_guard lock(mutex_);
  idle_.push_back(std::move(client));
  --lent_;
  returned_.notify_one();
}

}  // namespace tidemark::clickhouse
