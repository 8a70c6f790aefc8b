// The only includer of Asio. It serves as the reactor: readiness of descriptors, timers, name
// resolution. The calls on sockets are our own (socket.hpp), since Asio 1.22 makes sockets that a
// concurrent fork and exec inherits.
//
// No ASIO_ macro is set here or in CMake: an embedder's own use of Asio must mean the same types.
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
