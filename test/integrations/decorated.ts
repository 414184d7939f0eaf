/** Classes with decorators, for the compiler that the test calls. */
import type { EncryptedDecorator } from '../../src/integrations/decorators.ts'
import type { encryptedMethod } from '../../src/integrations/functions.ts'

export type Decorated = ReturnType<typeof define>

export function define(encrypted: EncryptedDecorator, method: ReturnType<typeof encryptedMethod>) {
  class User {
    id = 1
    @encrypted('users.email') accessor email = 'ada@example.com'
    @encrypted('users.income', { as: 'number' }) accessor income: number | null = null
  }

  class Derived extends User {
    @encrypted('users.phone') accessor phone = '555'
  }

  class Plain {
    name = 'x'
    @encrypted('plain.email', { keyType: 'pii' }) email: string | undefined = 'ada@example.com'
  }

  class Row {
    id: number | undefined
    @encrypted('users.ssn', { row: 'id' }) accessor ssn: string | undefined

    constructor(id?: number) {
      this.id = id
    }
  }

  class Own {
    @encrypted('users.email') accessor email = 'ada@example.com'
    toJSON(): string {
      return 'mine'
    }
  }

  class Mail {
    readonly #from = 'me'
    @method
    async send(to: string): Promise<string> {
      return `${this.#from} -> ${to}`
    }
  }

  const ofPrivate = () => {
    class Private {
      @encrypted('users.email') #email = ''
      show(): string {
        return this.#email
      }
    }
    return Private
  }

  const ofStatic = () => {
    class Static {
      readonly id = 1
      @encrypted('users.email') static accessor email = ''
    }
    return Static
  }

  return { User, Derived, Plain, Row, Own, Mail, ofPrivate, ofStatic }
}
