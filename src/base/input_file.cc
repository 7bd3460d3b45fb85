#include "base/input_file.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <memory>

#include "base/error.h"
#include "base/units.h"

namespace mmusim {

std::string read_file(const std::string& path, uint64_t most) {
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  const auto cannot = [&] {
    return Error(path, fmt::format("cannot read: {}", std::strerror(errno)));
  };
  const std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "rbe"));
  if (!file) throw cannot();
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (const size_t bytes = std::fread(buffer.data(), 1, buffer.size(), file.get()))
    if (text.append(buffer.data(), bytes).size() > most)
      throw Error(path, fmt::format("longer than the {} that are read", format_size(most)));
  if (std::ferror(file.get()) != 0) throw cannot();
  return text;
}

}  // namespace mmusim
