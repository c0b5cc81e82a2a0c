#include "profiles/suppressions.h"

#include "clickhouse/schema.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sstream>
#include <unistd.h>

namespace tidemark::profiles {
namespace {

constexpr size_t key_bytes = 32;
// What the warehouse knows a key by.
constexpr const char* key_itself = "\n the key itself";

std::string hexadecimal(const unsigned char* bytes, size_t length) {
  std::string text;
  for (size_t index = 0; index < length; ++index) text += fmt::format("{:02x}", bytes[index]);
  return text;
}

std::string read_key(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str().size() == 2 * key_bytes ? text.str() : std::string();
}

// Whole or not at all: it is on disk before anything is hashed with it.
Result<std::string> make_key(const std::filesystem::path& path) {
  unsigned char bytes[key_bytes];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return fail(ErrorKind::internal, "no random bytes are to be had");
  std::string key = hexadecimal(bytes, sizeof bytes);
  std::filesystem::path draft = path.string() + ".new";
  int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  bool written = file >= 0 && ::write(file, key.data(), key.size()) == static_cast<ssize_t>(key.size()) &&
                 ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  if (!written || ::rename(draft.c_str(), path.c_str()) != 0)
    return fail(ErrorKind::refused, "cannot write " + path.string(),
                "the project's directory must be writable: the key of deleted ids lies there");
  return key;
}

}  // namespace

Result<std::unique_ptr<Suppressions>> Suppressions::open(clickhouse::ClientPool& pool,
                                                         const std::filesystem::path& project) {
  TRY_VOID(pool.execute("CREATE DATABASE IF NOT EXISTS tidemark"));
  TRY_VOID(pool.execute(
      "CREATE TABLE IF NOT EXISTS tidemark.suppressions (hash String, profiles String, suppressed UInt8, "
      "deletion UInt64, at DateTime64(6, 'UTC') DEFAULT now64(6), version UInt64 DEFAULT "
      "toUInt64(toUnixTimestamp64Nano(now64(9)))) ENGINE = ReplacingMergeTree(version) ORDER BY hash "
      "SETTINGS " +
      clickhouse::merge_tree_settings(true)));
  std::filesystem::path path = project / ".tidemark" / "privacy.key";
  std::string known_key = read_key(path);
  bool is_new = known_key.empty();
  const std::string key = is_new ? TRY(make_key(path)) : known_key;
  std::unique_ptr<Suppressions> made(new Suppressions(pool, key));
  TRY_VOID(made->load());
  std::string known = made->hash("", key_itself);
  if (made->hashes_.erase(known) > 0) {
    --made->count_;
    return made;
  }
  if (made->any()) {
    std::error_code ignored;
    if (is_new) std::filesystem::remove(path, ignored);
    return fail(ErrorKind::conflict,
                fmt::format("{} is not the key that suppressed ids are hashed with{}", path.string(),
                            is_new ? ": it was not there" : ""),
                "put the file back from a copy; or, to take in everybody again, empty tidemark.suppressions");
  }
  TRY_VOID(pool.execute(fmt::format(
      "INSERT INTO tidemark.suppressions (hash, profiles, suppressed, deletion) VALUES ({}, '', 1, 0)",
      clickhouse::quote_string(known))));
  return made;
}

std::string Suppressions::hash(const std::string& profiles, const std::string& id) const {
  std::string text = profiles + "\n" + id;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &length);
  return hexadecimal(digest, length);
}

Status Suppressions::load() {
  std::unordered_set<std::string> hashes;
  TRY_VOID(pool_.lease()->query_blocks("SELECT hash FROM tidemark.suppressions FINAL WHERE suppressed = 1",
                                       {}, [&](const Block& block) -> Status {
                                         for (size_t row = 0; row < block.rows(); ++row)
                                           hashes.emplace(block.columns[0].text(row));
                                         return {};
                                       }));
  std::lock_guard lock(mutex_);
  hashes_ = std::move(hashes);
  count_ = hashes_.size();
  return {};
}

bool Suppressions::suppressed(const std::string& profiles, const std::string& id) const {
  if (!any() || id.empty()) return false;
  std::string wanted = hash(profiles, id);
  std::lock_guard lock(mutex_);
  return hashes_.contains(wanted);
}

Status Suppressions::put(const std::string& profiles, const std::vector<std::string>& ids, bool suppressed,
                         uint64_t deletion) {
  if (ids.empty()) return {};
  Block block;
  ColumnType text = ColumnType::of(TypeKind::string);
  block.add("hash", text);
  block.add("profiles", text);
  block.add("suppressed", ColumnType::of(TypeKind::uint8));
  block.add("deletion", ColumnType::of(TypeKind::uint64));
  std::vector<std::string> hashes;
  for (const auto& id : ids) {
    hashes.push_back(hash(profiles, id));
    block.columns[0].append_text(hashes.back());
    block.columns[1].append_text(profiles);
    block.columns[2].append<uint8_t>(suppressed);
    block.columns[3].append(deletion);
  }
  TRY_VOID(
      pool_.lease()->insert("`tidemark`.`suppressions`", block, {.settings = {{"insert_deduplicate", "0"}}}));
  std::lock_guard lock(mutex_);
  for (auto& one : hashes) {
    if (suppressed)
      hashes_.insert(std::move(one));
    else
      hashes_.erase(one);
  }
  count_ = hashes_.size();
  return {};
}

}  // namespace tidemark::profiles
