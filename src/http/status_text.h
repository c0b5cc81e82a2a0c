// The reason phrases of the statuses this server sends.
#pragma once

#include <string_view>

namespace tidemark::http {
std::string_view status_text(int status);
}
