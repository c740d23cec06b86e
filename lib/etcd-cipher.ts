/**
 * The one cipher suite that our etcd servers are given (`--cipher-suites`),
 * which holds them to TLS 1.3: etcd 3.4 has no flag for a lowest version. A suite
 * of TLS 1.2 that wants an ECDHE key exchange signed with RSA cannot be agreed
 * on, because all our keys are ECDSA; the suites of TLS 1.3 are not subject to
 * the flag (Go's crypto/tls, Config.CipherSuites). It is just this one because
 * Go's HTTP/2 refuses to serve without it or its ECDSA twin (RFC 7540, 9.2.2).
 */
export const etcdCipherSuite = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'
