/* SPDX-License-Identifier: Apache-2.0 */
/* The connector of HTTP clients that speaks both http and https. */
#pragma once

#include "io/http.h"
#include "io/tls.h"

/*
 * As sp_http_connector_plain, and for https a TLS session above it: tls_config of the request is an
 * sp_tls_config of a client; a reference is kept for as long as there are connections of its origin. Without
 * one the peer is connected and then refused (SP_EUNAUTH): nobody is
 * trusted. The configuration's ALPN decides about HTTP/2; a peer that chooses nothing is spoken to in
 * HTTP/1.1.
 */
extern const sp_http_connector sp_http_connector_tls;
