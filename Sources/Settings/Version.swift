/// The version of this program; the only place where it stands in code.
package let programVersion = "0.5.0"
