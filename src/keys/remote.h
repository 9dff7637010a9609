/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys process seen from those who need signatures: the seams of contracts/ over gRPC. The signer of
 * tokens speaks upstream's protocol only, so it may be anybody's (--service-account-signing-endpoint). U:
 * kubernetes pkg/serviceaccount/externaljwt/plugin.
 */
#pragma once

#include "base/log.h"
#include "contracts/cert_signer.h"
#include "contracts/signer.h"
#include "io/world.h"

/*
 * Connects, asks for the keys and how long tokens may last, and runs the loop until both are known: at
 * start-up only. A socket that is not there yet is waited for, up to 10 s. Then asks for the keys again as
 * often as the other side says. The path is absolute. SP_EUNAVAILABLE: nobody answers; SP_EINVAL: what it
 * says is no set of keys.
 */
sp_code keys_remote_signer_open(sp_world *w, sp_log *log, sp_str path, sp_signer **ret,
				sp_err *err) SP_MUST_USE;

/* Connects when the first certificate is wanted. */
sp_code keys_remote_certs_open(sp_world *w, sp_str path, sp_cert_signer **ret, sp_err *err) SP_MUST_USE;
