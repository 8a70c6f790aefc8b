#include "net/thread.hpp"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace cluster::net {

std::thread start_thread(const char* name, std::function<void()> body) {
  sigset_t blocked;
  sigset_t before;
  sigfillset(&blocked);
  for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) {
    sigdelset(&blocked, fault);
  }
  // The new thread inherits the mask, so there is no moment in which it could take a signal.
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  std::thread thread([name, body = std::move(body)] {
    pthread_setname_np(pthread_self(), name);
    body();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace cluster::net
