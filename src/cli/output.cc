#include "cli/output.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/printable.h"

namespace mmusim::cli {
namespace {

bool closed = false;  // standard output, when the program was started

[[noreturn]] void fail() {
  if (errno == EPIPE) throw ClosedOutput{};
  throw Error("standard output",
              fmt::format("cannot write: {}", closed ? "it is closed" : std::strerror(errno)));
}

std::string* captured = nullptr;

}  // namespace

CapturedOutput::CapturedOutput(std::string& text) {
  captured = &text;
}
CapturedOutput::~CapturedOutput() {
  captured = nullptr;
}

void prepare_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  // A limit of file sizes is an error of the call that meets it. Not ignored: a program that is
  // recorded would be born with that.
  std::signal(SIGXFSZ, [](int) {});
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) != -1) continue;
    // The lowest free number is this one. Output to a socket that is not connected fails as it
    // should, and such a one cannot be opened by name (/dev/stdout) either.
    const int opened =
        descriptor == STDIN_FILENO ? open("/dev/null", O_RDONLY) : socket(AF_UNIX, SOCK_DGRAM, 0);
    if (opened != descriptor) std::_Exit(Error::kFailure);
    closed = closed || descriptor == STDOUT_FILENO;
  }
}

void print(std::string_view text) {
  if (!is_printable(text)) {
    print(printable_lines(text));
    return;
  }
  if (captured != nullptr) {
    *captured += text;
    return;
  }
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) fail();
}

void flush_output() {
  if (std::fflush(stdout) != 0) fail();
}

}  // namespace mmusim::cli
