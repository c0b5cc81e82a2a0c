#include "ingest/file_bytes.h"

#include "base/invariant.h"
#include "ingest/load_limits.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

namespace tidemark::ingest {
namespace {

constexpr std::string_view gzip_mark = "\x1f\x8b";
constexpr std::string_view zstd_mark = "\x28\xb5\x2f\xfd";
constexpr std::string_view utf8_mark = "\xef\xbb\xbf";

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

Result<File> open_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return fail(ErrorKind::config, fmt::format("{} is a directory", path.string()), "Name the files in it.");
  File file(std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file)
    return fail(ErrorKind::config, fmt::format("{} cannot be read: {}", path.string(), std::strerror(errno)),
                "Check the path, and that this user may read it.");
  return file;
}

Error damaged(const std::filesystem::path& path, const std::string& why) {
  return Error{ErrorKind::corrupt, fmt::format("{} is damaged: {}", path.string(), why),
               "What was loaded before stays; load a whole copy of the file."};
}

// Packed bytes in, plain bytes out.
class Unpacker {
 public:
  using Take = std::function<Status(std::string_view)>;
  virtual ~Unpacker() = default;
  virtual Status put(std::string_view packed, const Take& take) = 0;
  // A stream that was begun is whole.
  virtual bool whole() const = 0;
};

class Plain final : public Unpacker {
 public:
  Status put(std::string_view packed, const Take& take) override { return take(packed); }
  bool whole() const override { return true; }
};

class Gzip final : public Unpacker {
 public:
  Gzip() : out_(limits::load_read_bytes, '\0') {
    constexpr int only_gzip = 16;
    INVARIANT(inflateInit2(&stream_, MAX_WBITS + only_gzip) == Z_OK);
  }
  ~Gzip() override { inflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
  Status put(std::string_view packed, const Take& take) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream_.avail_in = static_cast<uInt>(packed.size());
    do {
      if (whole_ && stream_.avail_in > 0) {
        inflateReset(&stream_);
        whole_ = false;
      }
      stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
      stream_.avail_out = static_cast<uInt>(out_.size());
      int answer = inflate(&stream_, Z_NO_FLUSH);
      if (answer != Z_OK && answer != Z_STREAM_END && answer != Z_BUF_ERROR)
        return fail(ErrorKind::corrupt, stream_.msg != nullptr ? stream_.msg : "no gzip");
      if (size_t have = out_.size() - stream_.avail_out; have > 0) TRY_VOID(take({out_.data(), have}));
      whole_ = answer == Z_STREAM_END;
    } while (stream_.avail_in > 0 || stream_.avail_out == 0);
    return {};
  }
  bool whole() const override { return whole_; }

 private:
  z_stream stream_{};
  std::string out_;
  bool whole_ = false;
};

class Zstd final : public Unpacker {
 public:
  Zstd() : stream_(ZSTD_createDCtx(), &ZSTD_freeDCtx), out_(limits::load_read_bytes, '\0') {
    INVARIANT(stream_ != nullptr);
  }
  Status put(std::string_view packed, const Take& take) override {
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    bool full = false;
    while (in.pos < in.size || full) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      size_t answer = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(answer) != 0) return fail(ErrorKind::corrupt, ZSTD_getErrorName(answer));
      if (out.pos > 0) TRY_VOID(take({out_.data(), out.pos}));
      full = out.pos == out.size;
      whole_ = answer == 0;
    }
    return {};
  }
  bool whole() const override { return whole_; }

 private:
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> stream_;
  std::string out_;
  bool whole_ = false;
};

std::unique_ptr<Unpacker> unpacker_for(std::string_view first) {
  if (first.starts_with(gzip_mark)) return std::make_unique<Gzip>();
  if (first.starts_with(zstd_mark)) return std::make_unique<Zstd>();
  return std::make_unique<Plain>();
}

// Without the mark at the beginning, which may come in pieces.
class Unmarked {
 public:
  explicit Unmarked(const Unpacker::Take& take) : take_(take) {}
  Status put(std::string_view piece) {
    if (begun_) return take_(piece);
    head_ += piece;
    return head_.size() < utf8_mark.size() ? Status() : begin();
  }
  Status finish() { return begun_ ? Status() : begin(); }

 private:
  Status begin() {
    begun_ = true;
    std::string_view bytes = head_;
    if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff"))
      return fail(ErrorKind::unsupported, "the file is UTF-16",
                  "Write it as UTF-8: iconv -f UTF-16 -t UTF-8");
    if (bytes.starts_with(utf8_mark)) bytes.remove_prefix(utf8_mark.size());
    return bytes.empty() ? Status() : take_(bytes);
  }
  const Unpacker::Take& take_;
  std::string head_;
  bool begun_ = false;
};

Status read_all(const std::filesystem::path& path, const std::function<Status(std::string_view)>& take) {
  File file = TRY(open_file(path));
  std::string buffer(limits::load_read_bytes, '\0');
  while (size_t bytes = std::fread(buffer.data(), 1, buffer.size(), file.get()))
    TRY_VOID(take({buffer.data(), bytes}));
  if (std::ferror(file.get()) != 0)
    return fail(ErrorKind::config, fmt::format("{} cannot be read: {}", path.string(), std::strerror(errno)));
  return {};
}

}  // namespace

Result<std::string> file_identity(const std::filesystem::path& file) {
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(), &XXH3_freeState);
  INVARIANT(state != nullptr);
  XXH3_128bits_reset(state.get());
  TRY_VOID(read_all(file, [&](std::string_view piece) -> Status {
    XXH3_128bits_update(state.get(), piece.data(), piece.size());
    return {};
  }));
  XXH128_hash_t hash = XXH3_128bits_digest(state.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

Status each_piece(const std::filesystem::path& file, const std::function<Status(std::string_view)>& take,
                  const std::function<void(uint64_t)>& read) {
  std::unique_ptr<Unpacker> unpacker;
  Unmarked unmarked(take);
  uint64_t bytes = 0;
  Status done = read_all(file, [&](std::string_view piece) -> Status {
    if (!unpacker) unpacker = unpacker_for(piece);
    bytes += piece.size();
    if (read) read(bytes);
    return unpacker->put(piece, [&](std::string_view plain) { return unmarked.put(plain); });
  });
  if (!done && done.error().kind == ErrorKind::corrupt && done.error().remedy.empty())
    return fail(damaged(file, done.error().message));
  TRY_VOID(done);
  if (unpacker && !unpacker->whole()) return fail(damaged(file, "it ends in the middle"));
  return unmarked.finish();
}

}  // namespace tidemark::ingest
