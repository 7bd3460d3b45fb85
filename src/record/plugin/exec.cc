#include "record/plugin/exec.h"

#include <climits>
#include <unistd.h>

#include "record/program.h"

namespace mmusim::record::plugin {
namespace {

constexpr size_t kMostBytes = size_t{8} << 20;  // of arguments or environment; the kernel's is less

// Why a file that the kernel may well execute is not recorded; null: the system call will fail, and
// says so itself.
const char* why_unrecorded(const Resolution& resolution) {
  switch (resolution.refusal) {
    case Refusal::ForeignIsa:
      return "is for an instruction set that is not recorded";
    case Refusal::Privileged:
      return "has the rights of another user or group (set-user-ID, set-group-ID)";
    case Refusal::Unreadable:
      return "may be executed but not be read";
    default:
      return nullptr;
  }
}

void tell_unrecorded(Producer& producer, const std::string& path, const char* why) {
  put_event(producer, EventKind::Unrecorded, EventWords().text(path + " " + why));
}

}  // namespace

void execute(const Guest& guest, Producer& producer, uint64_t path_at, uint64_t arguments_at,
             uint64_t environment_at) {
  std::string path;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  if (stopped() || !guest.read_text(path_at, PATH_MAX, path) ||
      !guest.read_texts(arguments_at, kMostBytes, arguments) ||
      !guest.read_texts(environment_at, kMostBytes, environment))
    return;
  if (path == "/proc/self/exe" && !guest.executable().empty()) path = guest.executable();
  Program program;
  const Resolution resolution = resolve(path, std::move(arguments), program);
  if (resolution.refusal != Refusal::None) {
    if (const char* why = why_unrecorded(resolution); why != nullptr)
      tell_unrecorded(producer, resolution.what, why);
    return;
  }
  const std::string qemu = qemu_path(*share(), *program.isa);
  if (access(qemu.c_str(), X_OK) != 0) {
    tell_unrecorded(producer, program.path, ("needs " + qemu + ", which is missing").c_str());
    return;
  }
  std::vector<std::string> command = qemu_command(*share(), program, environment);
  if (command.empty()) {
    tell_unrecorded(producer, program.path, "has a variable LD_* with a comma");
    return;
  }
  put_event(producer, EventKind::Exec, EventWords().text(program.path));
  execve(qemu.c_str(), pointers(command).data(), pointers(environment).data());
  // It goes on: too many arguments, for instance.
}

}  // namespace mmusim::record::plugin
