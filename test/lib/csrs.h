/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate requests for tests, made by openssl req. */
#pragma once

/* /O=dev/CN=jane */
#define T_CSR_USER                                                           \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIHYMH8CAQAwHTEMMAoGA1UECgwDZGV2MQ0wCwYDVQQDDARqYW5lMFkwEwYHKoZI\n" \
	"zj0CAQYIKoZIzj0DAQcDQgAEupjYZVvGiWLX92U7wsuHxfsNO1IqpW6jKJ30n3OG\n" \
	"pjKVQKUhsZd6YY+AfpSvjmGceXGB7Mxm5WaAP/lXqx3PuqAAMAoGCCqGSM49BAMC\n" \
	"A0kAMEYCIQCkRB+lDIpI5LrRnIedqj24d/PMxU0tJoJtJfej1DXaogIhAMCpRIZe\n" \
	"7LvXCzKu3qgc49xMiIF+Q9dEmrBkD7Muciyd\n"                             \
	"-----END CERTIFICATE REQUEST-----\n"

/* /O=system:nodes/CN=system:node:n1 */
#define T_CSR_NODE                                                           \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIHqMIGSAgEAMDAxFTATBgNVBAoMDHN5c3RlbTpub2RlczEXMBUGA1UEAwwOc3lz\n" \
	"dGVtOm5vZGU6bjEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASa5G2ZN6t/c6kQ\n" \
	"xjqbw4uY4qOeOoYF4JWA2/JDOoSPYgvn4B35whLWM82yUYTIGgiyC946B5JOJO35\n" \
	"CSn2gtOPoAAwCgYIKoZIzj0EAwIDRwAwRAIgNsjGzVAZ0Y/5wF8VEGGCqi6lS4JA\n" \
	"UxINhYMtAp6DdzoCIBiv1Tn+Ou6cBzJzk9zn+p4M1MJFNH1AFj0Szy5Lq4A7\n"     \
	"-----END CERTIFICATE REQUEST-----\n"

/* the same, DNS:n1, IP:10.0.0.5 */
#define T_CSR_SERVING                                                        \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIIBEDCBuAIBADAwMRUwEwYDVQQKDAxzeXN0ZW06bm9kZXMxFzAVBgNVBAMMDnN5\n" \
	"c3RlbTpub2RlOm4xMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjenorcKUSd9J\n" \
	"tn4ynh5GbQlf6XZXomyiYv5iyjcMjnCgp2JWLS19OWhWJ45CmYRQq7smmId/6SDv\n" \
	"uU2E/S8q1qAmMCQGCSqGSIb3DQEJDjEXMBUwEwYDVR0RBAwwCoICbjGHBAoAAAUw\n" \
	"CgYIKoZIzj0EAwIDRwAwRAIgWJAB9h9lrqp7To8Xu4zZZnysLZ/Gt2lN73Zyw794\n" \
	"W4QCIA1Pj3MNYNfDfXDFb0hSKoovtLjySH5xV6IzjAIBageP\n"                 \
	"-----END CERTIFICATE REQUEST-----\n"

/* /O=system:masters/CN=x */
#define T_CSR_MASTERS                                                        \
	"-----BEGIN CERTIFICATE REQUEST-----\n"                              \
	"MIHhMIGHAgEAMCUxFzAVBgNVBAoMDnN5c3RlbTptYXN0ZXJzMQowCAYDVQQDDAF4\n" \
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuXai/wdWE4pQ8gfxrTSCrJU0kTb3\n" \
	"F/PbmI4skLKw7j4r6l+FtDz//ijHzNoYMRTyicOWEgZN7vJFMLT5udbhfKAAMAoG\n" \
	"CCqGSM49BAMCA0kAMEYCIQCANGgj9IBW/UAKfUnSSjpZcI15Up9mDgMOEHUIINIH\n" \
	"8wIhAKe+vKch4j2760YHw82oDmZkod6g8dIYGQ5jh3pp/Rz2\n"                 \
	"-----END CERTIFICATE REQUEST-----\n"

/* A certificate of CN=test, good for a hundred years. */
#define T_CERTIFICATE                                                        \
	"-----BEGIN CERTIFICATE-----\n"                                      \
	"MIIBdjCCARugAwIBAgIUA1Z9JB5jp8o5fufSp86I9WWeOBMwCgYIKoZIzj0EAwIw\n" \
	"DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjYxMzI0MThaGA8yMTI2MTEwMjEzMjQx\n" \
	"OFowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBnf\n" \
	"Xklp/YtV4UfX6jkDtONyXlSFCup0Fb4sCyD52pKrGNrkeUWZwXdoRSLq0NnIp7cr\n" \
	"DbHffhyFRxeEP0BDWdajUzBRMB0GA1UdDgQWBBTyuS3IVluoBJE7qIHoKvbb2rdE\n" \
	"2zAfBgNVHSMEGDAWgBTyuS3IVluoBJE7qIHoKvbb2rdE2zAPBgNVHRMBAf8EBTAD\n" \
	"AQH/MAoGCCqGSM49BAMCA0kAMEYCIQD106kLHUq4fZn3GT73GTh0bAsCnC9T/n8N\n" \
	"9iCiD2DBGgIhAKB6pffqhB0UPyVuJTvnY6NoHYUea7j5F5j+Y+zCxU3n\n"         \
	"-----END CERTIFICATE-----\n"
