#include "sim/workload/channel.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/error.h"

namespace mmusim::sim::workload {

Channel Channel::make() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    throw Error("native", fmt::format("cannot make a pipe: {}", std::strerror(errno)));
  return {ends[0], ends[1]};
}

void Channel::close_both() const {
  close(read_end);
  close(write_end);
}

bool Channel::put(const void* bytes, size_t size) const {
  ssize_t n = 0;
  const auto* at = static_cast<const char*>(bytes);
  while (size > 0) {
    n = write(write_end, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool Channel::get(void* bytes, size_t size) const {
  ssize_t n = 0;
  auto* at = static_cast<char*>(bytes);
  while (size > 0) {
    n = read(read_end, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

}  // namespace mmusim::sim::workload
