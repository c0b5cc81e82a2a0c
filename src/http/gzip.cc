#include "http/gzip.h"

#include <algorithm>
#include <fmt/format.h>
#include <zlib.h>

namespace tidemark::http {

bool is_gzip(std::string_view bytes) {
  return bytes.starts_with("\x1f\x8b");
}

Result<std::string> gunzip(std::string_view bytes, size_t bytes_max) {
  constexpr int either_format = 32;
  z_stream stream{};
  if (inflateInit2(&stream, MAX_WBITS + either_format) != Z_OK)
    return fail(ErrorKind::internal, "no memory to decompress a body");
  struct End {
    z_stream* stream;
    ~End() { inflateEnd(stream); }
  } end{&stream};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  while (true) {
    constexpr size_t step_min = 16 << 10;
    size_t have = out.size();
    // One byte past the bound says that there is more.
    size_t room = std::min(std::max(step_min, 4 * bytes.size()), bytes_max + 1 - have);
    out.resize(have + room);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + have);
    stream.avail_out = static_cast<uInt>(room);
    int answer = inflate(&stream, Z_NO_FLUSH);
    out.erase(have + room - stream.avail_out);
    if (out.size() > bytes_max)
      return fail(ErrorKind::limit, fmt::format("the body is larger than {} bytes", bytes_max));
    if (answer == Z_STREAM_END) {
      if (stream.avail_in == 0) return out;
      if (inflateReset(&stream) != Z_OK) return fail(ErrorKind::internal, "a body cannot be decompressed");
      continue;
    }
    if (answer != Z_OK || (stream.avail_in == 0 && stream.avail_out > 0))
      return fail(ErrorKind::corrupt, "the body is not whole gzip");
  }
}

}  // namespace tidemark::http
